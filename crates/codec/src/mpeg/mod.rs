//! MPEG-1 (ISO/IEC 11172): video and audio, to be passed on as they are; MPEG-2 where it has the same headers.

pub mod audio;
pub mod video;
