//! Memory: what a module allocates.
//!
//! A request allocates a dozen small blocks and frees them all, and the next one asks for the same sizes again. So of each
//! class of sizes a few free blocks are kept in a list, where they are found at once; all else is the business of the
//! allocator behind, which finds the best place and joins what is free. With it alone, a third of what a filter executes
//! for a request was allocation.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::null_mut;

/// The allocator of a module.
#[cfg(target_arch = "wasm32")]
pub type ModuleMemory = Memory<talc::wasm::WasmDynamicTalc>;

/// An allocator that keeps a few free blocks of one behind it.
#[cfg_attr(not(target_arch = "wasm32"), expect(unreachable_pub, reason = "elsewhere there are no modules"))]
pub struct Memory<A> {
    behind: A,
    classes: [Class; CLASSES],
}

/// The free blocks of one class of sizes that are kept.
struct Class {
    /// The one that was freed last; in its first bytes stands the one before.
    last: Cell<*mut u8>,
    count: Cell<u8>,
}

/// Up to 4 KiB: with the headers of a request, which the host hands over in one block.
const CLASSES: usize = 36;

/// The most that are kept of a class; of all classes together they are 207 KiB.
const MOST_KEPT: u8 = 8;

/// The alignment of all blocks that are kept.
const ALIGN: usize = 8;

#[cfg(target_arch = "wasm32")]
impl ModuleMemory {
    /// A module's allocator: smaller than the standard library's.
    #[must_use]
    pub const fn new() -> Self {
        Self::before(talc::wasm::new_wasm_dynamic_allocator())
    }
}

impl<A> Memory<A> {
    const fn before(behind: A) -> Self {
        Self { behind, classes: [const { Class { last: Cell::new(null_mut()), count: Cell::new(0) } }; CLASSES] }
    }

    /// The class of a layout; none where blocks are not kept.
    #[inline(always)]
    fn class(&self, layout: Layout) -> Option<&Class> {
        let (step, quarters) = place(layout.size());
        let class = step.wrapping_sub(1).wrapping_mul(4).wrapping_add(quarters & 3);
        if layout.align() <= ALIGN { self.classes.get(class) } else { None }
    }
}

/// The power of two that is a quarter of the next lower one's, and how many of them go into a block of this size, less one:
/// there are four classes between two powers of two, so that a block is at most a quarter larger than it was asked for.
#[inline(always)]
fn place(size: usize) -> (usize, usize) {
    let below = size.max(16).wrapping_sub(1);
    let step = below.ilog2().wrapping_sub(2);
    (step as usize, below.wrapping_shr(step))
}

/// The layout of all blocks in the class of this one.
fn rounded(layout: Layout) -> Layout {
    let (step, quarters) = place(layout.size());
    let size = quarters.wrapping_add(1).wrapping_shl(step as u32);
    Layout::from_size_align(size, ALIGN).unwrap_or(layout)
}

// SAFETY: a module has one thread, which wasm32 without atomics guarantees.
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
unsafe impl<A> Sync for Memory<A> {}

// SAFETY: a block comes from the allocator behind with the layout that its class has for the asked one, and goes back with
// the same; in between it is either in use or in its class's list, which `alloc` takes it from.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Memory<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = self.class(layout) else {
            // SAFETY: as the caller promises.
            return unsafe { self.behind.alloc(layout) };
        };
        let block = class.last.get();
        if block.is_null() {
            // SAFETY: as the caller promises; to round up makes no size zero.
            return unsafe { self.behind.alloc(rounded(layout)) };
        }
        // SAFETY: the block is free, at least 16 bytes long and aligned, and `dealloc` has written this to it.
        class.last.set(unsafe { block.cast::<*mut u8>().read() });
        class.count.set(class.count.get().wrapping_sub(1));
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = self.class(layout) else {
            // SAFETY: the block was allocated there with this layout.
            return unsafe { self.behind.dealloc(block, layout) };
        };
        if class.count.get() >= MOST_KEPT {
            // SAFETY: the block was allocated there with this layout.
            return unsafe { self.behind.dealloc(block, rounded(layout)) };
        }
        // SAFETY: nobody uses the block any more; it is at least 16 bytes long and aligned.
        unsafe { block.cast::<*mut u8>().write(class.last.get()) };
        class.last.set(block);
        class.count.set(class.count.get().wrapping_add(1));
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (self.class(layout), self.class(wanted)) {
            (Some(_), Some(_)) if rounded(layout) == rounded(wanted) => block,
            // SAFETY: the block was allocated there with this layout.
            (None, None) => unsafe { self.behind.realloc(block, layout, size) },
            _ => {
                // SAFETY: the new block is another and has room for what both have; the old one goes back as it came.
                unsafe {
                    let moved = self.alloc(wanted);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "numbers of a test")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::alloc::System;

    /// Says how many bytes are in use behind.
    #[derive(Default)]
    struct Counted(Cell<usize>);

    // SAFETY: it is the system's.
    unsafe impl GlobalAlloc for Counted {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            self.0.set(self.0.get() + layout.size());
            // SAFETY: as the caller promises.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            self.0.set(self.0.get() - layout.size());
            // SAFETY: as the caller promises.
            unsafe { System.dealloc(block, layout) }
        }
    }

    struct Block {
        at: *mut u8,
        layout: Layout,
        filled: u8,
    }

    impl Block {
        fn new(memory: &Memory<Counted>, size: usize, align: usize, filled: u8) -> Self {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: no size is zero here.
            let at = unsafe { memory.alloc(layout) };
            assert!(!at.is_null() && at.addr() % align == 0);
            // SAFETY: it has this size.
            unsafe { at.write_bytes(filled, size) };
            Self { at, layout, filled }
        }

        fn is_whole(&self, size: usize) -> bool {
            // SAFETY: it has at least this size and was filled.
            unsafe { std::slice::from_raw_parts(self.at, size) }.iter().all(|byte| *byte == self.filled)
        }

        fn resize(&mut self, memory: &Memory<Counted>, size: usize) {
            let kept = self.layout.size().min(size);
            // SAFETY: it was allocated there with this layout.
            self.at = unsafe { memory.realloc(self.at, self.layout, size) };
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
            assert!(self.is_whole(kept));
            // SAFETY: it has this size.
            unsafe { self.at.write_bytes(self.filled, size) };
        }

        fn free(self, memory: &Memory<Counted>) {
            assert!(self.is_whole(self.layout.size()));
            // SAFETY: it was allocated there with this layout.
            unsafe { memory.dealloc(self.at, self.layout) };
        }
    }

    fn memory() -> Memory<Counted> {
        Memory::before(Counted::default())
    }

    proptest! {
        #[test]
        fn a_block_is_its_owners_alone(
            steps in proptest::collection::vec((0_usize..12, 1_usize..6000, 0_u32..6, any::<u8>()), 0..200),
        ) {
            let memory = memory();
            let mut blocks: Vec<Block> = Vec::new();
            for (place, size, align, filled) in steps {
                match place {
                    0..4 => blocks.push(Block::new(&memory, size, 1 << align, filled)),
                    4..8 if place < blocks.len() => blocks[place].resize(&memory, size),
                    _ if place < blocks.len() => blocks.remove(place).free(&memory),
                    _ => {}
                }
            }
            blocks.into_iter().for_each(|block| block.free(&memory));
            prop_assert!(memory.behind.0.get() <= 212 * 1024);
        }

        #[test]
        fn a_block_is_at_most_a_quarter_too_large(size in 16_usize..=4096) {
            let memory = memory();
            let layout = Layout::from_size_align(size, 1).unwrap();
            let rounded = rounded(layout);
            prop_assert!(memory.class(layout).is_some() && rounded.size() >= size && rounded.size() <= size + size / 4 + 1);
        }
    }

    #[test]
    fn what_was_freed_is_given_out_again() {
        let memory = memory();
        let first = Block::new(&memory, 100, 1, 1);
        let at = first.at;
        first.free(&memory);
        assert_eq!(Block::new(&memory, 97, 8, 2).at, at);
    }

    #[test]
    fn few_blocks_are_kept() {
        let memory = memory();
        let blocks: Vec<_> = (0..1_000).map(|_| Block::new(&memory, 4096, 1, 3)).collect();
        assert_eq!(memory.behind.0.get(), 1_000 * 4096);
        blocks.into_iter().for_each(|block| block.free(&memory));
        assert_eq!(memory.behind.0.get(), usize::from(MOST_KEPT) * 4096);
    }

    #[test]
    fn large_blocks_are_left_to_the_allocator_behind() {
        let memory = memory();
        Block::new(&memory, 4097, 1, 4).free(&memory);
        Block::new(&memory, 64, 16, 4).free(&memory);
        assert_eq!(memory.behind.0.get(), 0);
    }
}
