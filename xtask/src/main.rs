//! The only door to the build.

fn main() {}
