//! The only program on the card.

fn main() {}
