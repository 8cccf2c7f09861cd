/**
 * The element's own style, inside its shadow root: a page's rules do not reach in, these do not reach out.
 *
 * The picture's surroundings are dark in every colour scheme. A page may set `--firstlight-accent`,
 * `--firstlight-background` and `--firstlight-radius`.
 */
export const css = `
:host { display: block; position: relative; overflow: hidden; aspect-ratio: 16 / 9; color: #f4f1ea;
  background: var(--firstlight-background, #0b0e14); border-radius: var(--firstlight-radius, 0);
  font: 14px/1.4 system-ui, sans-serif; --accent: var(--firstlight-accent, #ffb35c);
  -webkit-tap-highlight-color: transparent; contain: content; }
:host([hidden]) { display: none; }
:host(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 2px; }
:host(:fullscreen) { border-radius: 0; }
[hidden] { display: none !important; }
.stage, .surface, .veil { position: absolute; inset: 0; width: 100%; height: 100%; }
.surface { object-fit: contain; opacity: 0; }
.surface.shown { opacity: 1; }
:host([fit="cover"]) .surface { object-fit: cover; }
:host([fit="fill"]) .surface { object-fit: fill; }
.still, .stage.stale .surface { filter: saturate(.35) brightness(.6); transition: filter .4s; }
.veil { display: grid; place-content: center; justify-items: center; gap: 12px; padding: 20px 28px; box-sizing: border-box;
  text-align: center; pointer-events: none; }
:host([controls]) .veil { padding-bottom: 62px; }
.veil strong { font-size: clamp(14px, 3.2cqw, 20px); font-weight: 600; letter-spacing: .01em; }
.veil span { color: #b9bfcb; max-width: 46ch; overflow-wrap: anywhere; }
.sun { width: 40px; height: 20px; border-radius: 40px 40px 0 0; background: var(--accent); }
.sun::after { content: ""; display: block; position: relative; top: 24px; height: 2px; background: #8a919f; margin: 0 -12px; }
.veil.busy .sun { animation: rise 2.4s ease-in-out infinite; }
@keyframes rise { 0%, 100% { opacity: .35; transform: scale(.86); } 50% { opacity: 1; transform: scale(1); } }
.level { width: 160px; height: 4px; border-radius: 2px; background: #2a303b; overflow: hidden; }
.level i { display: block; height: 100%; width: 100%; background: var(--accent); transform: scaleX(0); transform-origin: left; transition: transform .12s linear; }
.badge { position: absolute; left: 12px; top: 12px; max-width: calc(100% - 24px); box-sizing: border-box; padding: 5px 11px 5px 9px;
  border-radius: 8px; background: #0b0e14d9; display: flex; gap: 8px; align-items: center; font-size: 13px; }
.badge span { overflow: hidden; text-overflow: ellipsis; display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; }
.badge b { font-weight: 600; white-space: nowrap; }
.badge::before { content: ""; flex: none; width: 8px; height: 8px; border-radius: 50%; background: var(--accent); }
.line { position: absolute; right: 12px; top: 12px; padding: 4px 9px; border-radius: 8px; background: #0b0e14d9;
  font: 12px/1.4 ui-monospace, monospace; font-variant-numeric: tabular-nums; }
button { font: inherit; color: inherit; background: none; border: 0; border-radius: 8px; padding: 0; cursor: pointer; }
button:focus-visible, input:focus-visible, ::slotted(:focus-visible) { outline: 2px solid var(--accent); outline-offset: -2px; }
.hint { position: absolute; left: 50%; bottom: 72px; transform: translateX(-50%); padding: 9px 16px; border-radius: 20px;
  background: #f4f1ea; color: #14171d; font-weight: 600; white-space: nowrap; display: flex; gap: 8px; align-items: center; }
.bar { position: absolute; inset: auto 0 0; display: flex; align-items: center; gap: 2px; padding: 28px 8px 8px;
  background: linear-gradient(transparent, #0b0e14e6 62%); transition: opacity .25s, visibility .25s; }
.bar > .space { flex: 1; }
.bar button { width: 42px; height: 42px; display: grid; place-items: center; flex: none; }
.bar button:hover { background: #ffffff1f; }
.bar .live { width: auto; padding: 0 12px; display: flex; gap: 8px; align-items: center; font-size: 13px; font-weight: 600; }
.live::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: #8a919f; }
.live[data-state="live"]::before { background: #ff5d4d; }
input[type="range"] { width: 84px; accent-color: var(--accent); margin: 0 8px 0 2px; }
svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
:host([data-quiet]) { cursor: none; }
:host([data-quiet]) .bar { opacity: 0; visibility: hidden; }
@container (max-width: 460px) { input[type="range"], .bar .wide { display: none; } .bar button { width: 38px; } .bar .live { padding: 0 6px; }
  .veil { padding: 8px 12px; gap: 4px; font-size: 12px; } :host([controls]) .veil { padding-bottom: 54px; } .veil .sun { display: none; } }
.stage-box { position: absolute; inset: 0; container-type: inline-size; }
@media (prefers-reduced-motion: reduce) { *, *::after { animation: none !important; transition: none !important; } }
`;
