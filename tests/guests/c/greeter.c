// A filter in C on wasi-libc, without any SDK: it prints to standard output, reads its environment and the clock, and adds a header.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))

IMPORT(proxy_add_header_map_value)
uint32_t add_header(uint32_t map, const char *name, size_t name_length, const char *value, size_t value_length);

enum { REQUEST_HEADERS = 0, CONTINUE = 0, ACCEPTED = 1 };

EXPORT(proxy_abi_version_0_2_1) void abi(void) {}

// The host's own allocations come from the C library.
EXPORT(proxy_on_memory_allocate) void *allocate(size_t size) { return malloc(size); }

static int initialized;
__attribute__((constructor)) static void initialize(void) { initialized = 1; }

EXPORT(proxy_on_configure) uint32_t configure(uint32_t root, uint32_t size) {
  (void)root;
  (void)size;
  printf("it is %s\n", time(NULL) > 0 ? "late" : "never");
  fflush(stdout);
  return initialized ? ACCEPTED : 0;
}

EXPORT(proxy_on_request_headers) uint32_t request_headers(uint32_t id, uint32_t headers, uint32_t end) {
  (void)id;
  (void)headers;
  (void)end;
  char greeting[64];
  const char *name = getenv("GREETED");
  int length = snprintf(greeting, sizeof greeting, "hello %s", name ? name : "nobody");
  if (length > 0 && (size_t)length < sizeof greeting) {
    add_header(REQUEST_HEADERS, "x-greeting", strlen("x-greeting"), greeting, (size_t)length);
  }
  return CONTINUE;
}
