//! AAC (ISO/IEC 14496-3): its configuration and the ADTS framing.

mod adts;
mod config;

pub use adts::{AdtsFrame, AdtsParser, adts_header};
pub use config::{lc_parameters, parse_config, samples_per_unit};
