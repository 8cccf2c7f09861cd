/**
 * Just enough of H.264 to make the streams our tests need from those that encoders make: an SPS as many cameras write
 * it, without VUI (H.264 §7.3.2.1.1, §E.1).
 */

/** The NAL units of a byte stream, without their start codes. @param {Buffer} stream @returns {Buffer[]} */
export function nalUnits(stream) {
  const units = [];
  let from = -1;
  for (let at = stream.indexOf(START); at >= 0; at = stream.indexOf(START, at + 3)) {
    if (from >= 0) units.push(withoutZeros(stream.subarray(from, at)));
    from = at + 3;
  }
  if (from >= 0) units.push(withoutZeros(stream.subarray(from)));
  return units;
}

/** @param {Buffer[]} units */
export function byteStream(units) {
  return Buffer.concat(units.flatMap((unit) => [Buffer.from([0, 0, 0, 1]), unit]));
}

/** @param {Buffer} unit */
export const nalType = (unit) => unit[0] & 31;

/** The SPS without its VUI: `vui_parameters_present_flag` is 0 and the last thing in it. @param {Buffer} sps a High profile one */
export function withoutVui(sps) {
  const raw = Buffer.from(sps.toString("latin1").replaceAll("\0\0\x03", "\0\0"), "latin1");
  const bits = [...raw].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let at = 32; // NAL header, profile, constraints, level
  const u = (/** @type {number} */ count) => parseInt(bits.slice(at, (at += count)), 2);
  const ue = () => {
    const zeros = bits.indexOf("1", at) - at;
    at += zeros;
    return u(zeros + 1) - 1;
  };
  ue(); // seq_parameter_set_id
  if (raw[1] !== 100) throw new Error(`profile ${raw[1]} is not High`);
  for (let field = 0; field < 3; field++) ue(); // chroma_format_idc, bit depths
  u(1); // qpprime_y_zero_transform_bypass_flag
  if (u(1)) throw new Error("scaling matrices are not read");
  ue(); // log2_max_frame_num_minus4
  const orderType = ue();
  if (orderType === 0) ue(); // log2_max_pic_order_cnt_lsb_minus4
  else if (orderType === 1) throw new Error("picture order type 1 is not read");
  ue(); // max_num_ref_frames
  u(1); // gaps_in_frame_num_value_allowed_flag
  ue(); // width
  ue(); // height
  if (!u(1)) u(1); // frame_mbs_only_flag, mb_adaptive_frame_field_flag
  u(1); // direct_8x8_inference_flag
  if (u(1)) for (let field = 0; field < 4; field++) ue(); // cropping
  const kept = bits.slice(0, at) + "0" + "1"; // no VUI, rbsp_stop_one_bit
  const bytes = kept.padEnd(Math.ceil(kept.length / 8) * 8, "0").match(/.{8}/g) ?? [];
  const out = Buffer.from(bytes.map((byte) => parseInt(byte, 2)));
  return Buffer.from(out.toString("latin1").replace(/\0\0([\0-\x03])/g, "\0\0\x03$1"), "latin1");
}

/** @param {Buffer} unit */
function withoutZeros(unit) {
  let end = unit.length;
  while (end > 0 && unit[end - 1] === 0) end--;
  return unit.subarray(0, end);
}

const START = Buffer.from([0, 0, 1]);
