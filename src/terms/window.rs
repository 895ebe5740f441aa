//! Spans of Kong's time.

/// A half-open span of Kong timestamps `[after, before)`, in Unix seconds; `None` is unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// First second that is in it.
    pub after: Option<i64>,
    /// First second that is not.
    pub before: Option<i64>,
}

impl Window {
    /// A second a day ahead of `now`, in which no entry is: to ask whether times are heeded, or Kong answers at all.
    pub fn ahead_of(now: i64) -> Self {
        let ahead = now + 86_400;
        Self { after: Some(ahead), before: Some(ahead + 1) }
    }

    /// Whether `time` is in it.
    pub fn holds(&self, time: i64) -> bool {
        self.after.is_none_or(|after| time >= after)
            && self.before.is_none_or(|before| time < before)
    }

    /// Whether times are asked for at all.
    pub(crate) fn is_bounded(&self) -> bool {
        *self != Self::default()
    }

    /// What of it lies before `border`, and the rest; all of it where nothing lies behind.
    pub fn split_at(self, border: i64) -> (Self, Option<Self>) {
        if self.before.is_some_and(|before| before <= border) {
            return (self, None);
        }
        let border = Some(border);
        (Self { before: border, ..self }, Some(Self { after: border, ..self }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Window;

    #[test]
    fn windows_that_are_split_off_make_up_the_whole() {
        let (first, rest) = Window::default().split_at(100);
        assert_eq!(first, Window { after: None, before: Some(100) });
        let (second, last) = rest.unwrap().split_at(200);
        assert_eq!(second, Window { after: Some(100), before: Some(200) });
        assert_eq!(last, Some(Window { after: Some(200), before: None }));
        let whole = Window { after: Some(100), before: Some(201) };
        assert_eq!(whole.split_at(201), (whole, None));
    }
}
