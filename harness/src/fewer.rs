//! Leaving out what something does not need.

/// The items without those that can be left out while `keeps` holds, which is asked at most `tries` times; where it answers
/// nothing, what is left cannot be tried at all. Halves are left out first, then ever smaller parts, at last one by one
/// until none can be left out. It is bounded by tries and not by time, so that the same items always come to the same.
pub(crate) fn fewer<T: Clone>(
    mut items: Vec<T>,
    mut tries: usize,
    mut keeps: impl FnMut(&[T]) -> Option<bool>,
) -> Vec<T> {
    let mut part = (items.len() / 2).max(1);
    loop {
        let (mut at, mut shorter) = (0, false);
        while at < items.len() && tries > 0 {
            let mut rest = items.clone();
            rest.drain(at..(at + part).min(items.len()));
            let kept = keeps(&rest);
            tries -= usize::from(kept.is_some());
            if kept == Some(true) {
                (items, shorter) = (rest, true);
            } else {
                at += part;
            }
        }
        if tries == 0 || part == 1 && !shorter {
            return items;
        }
        part = (part / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_stays_and_nothing_else() {
        let needed = |items: &[u32]| Some(items.contains(&7) && items.contains(&300));
        assert_eq!(fewer((0..500).collect(), 200, needed), [7, 300]);
        assert_eq!(fewer(vec![7, 300], 200, needed), [7, 300]);
        assert!(fewer(Vec::new(), 200, needed).is_empty());
        let mut asked = 0;
        let left = fewer((0..500).collect(), 3, |items: &[u32]| {
            asked += 1;
            needed(items)
        });
        assert!(asked == 3 && needed(&left) == Some(true), "{asked}: {}", left.len());
    }

    #[test]
    fn what_cannot_be_tried_is_no_try() {
        // Nothing can be tried but what still begins with 1.
        let keeps = |items: &[u32]| (items.first() == Some(&1)).then_some(true);
        assert_eq!(fewer(vec![1, 2, 3, 4], 9, keeps), [1]);
    }
}
