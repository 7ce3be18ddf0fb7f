//! The rate limit filter limits how much each caller may ask for, exactly over all workers and in bounded memory.

#![forbid(unsafe_code)]
