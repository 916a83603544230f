//! Numbered places for what comes and goes often: they are used again, and nothing is hashed.

/// See the module text. Eight bytes for each place when `T` is an `Arc`.
pub(crate) struct Places<T> {
    all: Vec<Option<T>>,
    /// Those that are `None`.
    free: Vec<usize>,
}

impl<T> Places<T> {
    /// Puts `item` into a place and returns its number.
    pub(crate) fn add(&mut self, item: T) -> usize {
        let Some(place) = self.free.pop() else {
            self.all.push(Some(item));
            return self.all.len() - 1;
        };
        self.all[place] = Some(item);
        place
    }

    /// Empties a place that [`add`](Self::add) has given.
    pub(crate) fn remove(&mut self, place: usize) {
        self.all[place] = None;
        self.free.push(place);
    }

    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.all.get(place)?.as_ref()
    }

    /// What is in the places, in no order that means anything.
    pub(crate) fn live(&self) -> impl Iterator<Item = &T> {
        self.all.iter().flatten()
    }
}

impl<T> Default for Places<T> {
    fn default() -> Places<T> {
        Places { all: Vec::new(), free: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again() {
        let mut places = Places::default();
        assert_eq!((places.add('a'), places.add('b')), (0, 1));
        places.remove(0);
        assert_eq!((places.get(0), places.get(1), places.get(2)), (None, Some(&'b'), None));
        assert_eq!(places.add('c'), 0);
        assert_eq!(places.live().copied().collect::<String>(), "cb");
    }
}
