//! The colours of the screen.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Palette {
    Colours,
    /// Bold and reversed instead, for NO_COLOR.
    Plain,
}

impl Palette {
    /// <https://no-color.org>: any value but the empty one.
    pub(super) fn of_environment() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if refused { Self::Plain } else { Self::Colours }
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// As it should be.
    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green, Modifier::empty())
    }

    /// Worth a look.
    pub(super) fn warning(self) -> Style {
        self.coloured(Color::Yellow, Modifier::BOLD)
    }

    /// Requests are lost.
    pub(super) fn bad(self) -> Style {
        match self {
            Self::Colours => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Self::Plain => Style::new().add_modifier(Modifier::BOLD.union(Modifier::REVERSED)),
        }
    }

    /// Of the two curves of a chart.
    pub(super) fn first_curve(self) -> (Style, Marker) {
        (self.coloured(Color::Cyan, Modifier::empty()), Marker::Braille)
    }

    /// Told apart from the first by its points where there is no colour.
    pub(super) fn second_curve(self) -> (Style, Marker) {
        let marker = if self == Self::Plain { Marker::Dot } else { Marker::Braille };
        (self.coloured(Color::Yellow, Modifier::empty()), marker)
    }

    fn coloured(self, colour: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self == Self::Plain { style } else { style.fg(colour) }
    }
}
