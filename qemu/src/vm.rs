//! todo
/// v
pub struct Vm;
/// c
pub struct VmConfig;
