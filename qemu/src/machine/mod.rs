//! todo
/// m
pub struct Machine;
/// n
pub struct Nics;
