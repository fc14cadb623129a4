//! The boot counter: which of the two systems on the card to start, and when to give one up.
