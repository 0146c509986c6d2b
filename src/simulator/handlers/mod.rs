//! What answers a request, by path.

pub(in crate::simulator) mod callback;
pub(in crate::simulator) mod check;
pub(in crate::simulator) mod control;
pub(in crate::simulator) mod direct;
pub(in crate::simulator) mod stored;
pub(in crate::simulator) mod submit;
