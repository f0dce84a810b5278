//! A list that is shared page by page: reading takes three steps, changing one item copies its page and the chapter that the page is
//! in, and a clone costs one reference for every chapter. What it holds only ever grows at its end.

use std::ops::Index;
use std::sync::Arc;

/// Items of one page, and pages of one chapter.
const PAGE: usize = 32;
const CHAPTER: usize = 32;

type Page<T> = Arc<Vec<T>>;

/// The list.
#[derive(Clone, Debug)]
pub(crate) struct Pages<T> {
    chapters: Vec<Arc<Vec<Page<T>>>>,
    len: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { chapters: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Pages<T> {
    /// Number of items.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// True if there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The item at `at`, to be changed here and in no clone.
    pub(crate) fn edit(&mut self, at: usize) -> &mut T {
        let chapter = Arc::make_mut(&mut self.chapters[at / PAGE / CHAPTER]);
        &mut Arc::make_mut(&mut chapter[at / PAGE % CHAPTER])[at % PAGE]
    }

    /// One more item.
    pub(crate) fn push(&mut self, item: T) {
        let at = self.len;
        self.len += 1;
        if at.is_multiple_of(PAGE * CHAPTER) {
            self.chapters.push(Arc::default());
        }
        let chapter = Arc::make_mut(&mut self.chapters[at / PAGE / CHAPTER]);
        if at.is_multiple_of(PAGE) {
            chapter.push(Arc::default());
        }
        Arc::make_mut(&mut chapter[at / PAGE % CHAPTER]).push(item);
    }
}

impl<T> Index<usize> for Pages<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.chapters[at / PAGE / CHAPTER][at / PAGE % CHAPTER][at % PAGE]
    }
}

impl<T: Clone> FromIterator<T> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut pages = Self::default();
        items.into_iter().for_each(|item| pages.push(item));
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut pages: Pages<usize> = (0..5_000).collect();
        let frozen = pages.clone();
        *pages.edit(1_070) = 7;
        (5_000..7_000).for_each(|item| pages.push(item));
        assert_eq!((pages[1_069], pages[1_070], pages.len(), pages[6_999]), (1_069, 7, 7_000, 6_999));
        assert!((0..5_000).all(|at| frozen[at] == at) && frozen.len() == 5_000);
        assert!(!pages.is_empty() && Pages::<u8>::default().is_empty());
    }
}
