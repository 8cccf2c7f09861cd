//! G.711 to samples: two curves of eight bits a sample, as tables of the standard's formulas.
//!
//! Not here: the other way. Nobody who takes G.711 takes nothing better.

use media::G711Law;

/// The sample that a code means, full scale ±1.
pub(crate) const fn sample(law: G711Law, code: u8) -> f32 {
    match law {
        G711Law::Mu => MU[code as usize],
        G711Law::A => A[code as usize],
    }
}

static MU: [f32; 256] = table(G711Law::Mu);
static A: [f32; 256] = table(G711Law::A);

const fn table(law: G711Law) -> [f32; 256] {
    let mut table = [0.0; 256];
    let mut code = 0;
    while code < table.len() {
        let linear = match law {
            G711Law::Mu => mu(code as u8),
            G711Law::A => a(code as u8),
        };
        table[code] = linear as f32 / 32_768.0;
        code += 1;
    }
    table
}

/// All bits are sent inverted; the magnitude is that of a biased segment.
const fn mu(code: u8) -> i32 {
    let code = !code;
    let (segment, step) = ((code >> 4 & 7) as i32, (code & 0x0f) as i32);
    let magnitude = (((step << 3) + MU_BIAS) << segment) - MU_BIAS;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

/// Every second bit is sent inverted; the lowest segment is as fine as the next.
const fn a(code: u8) -> i32 {
    let code = code ^ 0x55;
    let (segment, step) = ((code >> 4 & 7) as i32, (code & 0x0f) as i32);
    let magnitude = match segment {
        0 => (step << 4) + 8,
        segment => ((step << 4) + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

const MU_BIAS: i32 = 0x84;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_of_both_curves_are_those_of_the_standard() {
        let linear = |law, code| (sample(law, code) * 32_768.0) as i32;
        assert_eq!(
            [0x00, 0x7f, 0x80, 0xff, 0x0f].map(|code| linear(G711Law::Mu, code)),
            [-32_124, 0, 32_124, 0, -16_764]
        );
        assert_eq!(
            [0xd5, 0x55, 0xaa, 0x2a, 0xc5].map(|code| linear(G711Law::A, code)),
            [8, -8, 32_256, -32_256, 264]
        );
    }
}
