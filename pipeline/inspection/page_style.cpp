#include "pipeline/inspection/page_sections.h"

namespace pulmo::pipeline {
namespace {

// Screens of any width, light and dark, and paper. The colours of classes keep apart for colour-blind eyes.
constexpr const char* kStyle = R"css(
:root {
  --ground: #f3f6f7; --panel: #fff; --line: #d8e0e3; --text: #14242b; --muted: #57696f; --accent: #0d6b73;
  --soft: #e3eff0; --warn: #7a4d00; --warn-soft: #fdf1d8; --phantom: #4b2a86; --phantom-text: #fff;
  --positive: #c2410c; --other0: #0f7f88; --other1: #8a6d00; --other2: #6d4bb5; --other3: #3f6fc4; --other4: #5b6b32;
  --other5: #a13d70; --on-bar: #fff; --good: #21633f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e161a; --panel: #172227; --line: #2d3e45; --text: #e4edf0; --muted: #9fb2b9; --accent: #62c6c8;
    --soft: #1d3338; --warn: #f0c674; --warn-soft: #35290f; --phantom: #b79bf0; --phantom-text: #1d0f3a;
    --positive: #ff9466; --other0: #53c3c9; --other1: #e2c04a; --other2: #b9a0f2; --other3: #8fb4f5; --other4: #b3c77a;
    --other5: #f094be; --on-bar: #0e161a; --good: #7fd6a3;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1, h2, h3, p, ul, ol, dl, dd, figure { margin: 0; padding: 0; }
ul, ol { list-style: none; }
main { max-width: 1200px; margin: 0 auto; padding: 32px 20px 48px; display: grid; gap: 20px;
  grid-template-columns: minmax(0, 1fr); }
.kicker { color: var(--accent); font-weight: 600; letter-spacing: .02em; }
h1 { font-size: clamp(1.6rem, 4.5vw, 2.3rem); line-height: 1.15; margin: 2px 0 6px; }
.lead { color: var(--muted); font-size: 1.05rem; }
.phantom { background: var(--phantom); color: var(--phantom-text); border-radius: 12px; padding: 12px 18px; }
.phantom strong { font-size: 1.3rem; margin-right: 10px; }
.notice { background: var(--warn-soft); color: var(--warn); border-radius: 12px; padding: 8px 18px; font-size: .93rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 12px; }
.cards li { background: var(--panel); border: 1px solid var(--line); border-radius: 14px; padding: 14px 16px; }
.cards b { display: block; font-size: 1.55rem; line-height: 1.2; font-variant-numeric: tabular-nums; white-space: nowrap; }
.cards span { color: var(--muted); font-size: .88rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 8px; }
nav a { display: block; padding: 5px 13px; border-radius: 999px; background: var(--soft); color: var(--accent);
  text-decoration: none; font-size: .9rem; }
nav a:hover { text-decoration: underline; }
section { margin-top: 16px; scroll-margin-top: 12px; }
h2 { font-size: 1.3rem; line-height: 1.25; margin-bottom: 12px; }
h3 { font-size: 1rem; line-height: 1.3; }
.hint { color: var(--muted); margin-bottom: 12px; max-width: 80ch; }
.good { color: var(--good); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 14px; }
.charts.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); }
.chart, .panel, .montage { background: var(--panel); border: 1px solid var(--line); border-radius: 14px; padding: 16px; }
figcaption p { color: var(--muted); font-size: .84rem; margin: 2px 0 8px; }
.montage + .montage { margin-top: 14px; }
.montage img { display: block; width: 100%; border-radius: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; margin-bottom: 12px; font-size: .9rem; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 7px; background: var(--c); }
.lungs { --c: #28c8e6; } .any-reader { --c: #ffdc3c; } .half { --c: #ff4646; }
.plain { --c: var(--accent); } .positive { --c: var(--positive); } .other0 { --c: var(--other0); }
.other1 { --c: var(--other1); } .other2 { --c: var(--other2); } .other3 { --c: var(--other3); }
.other4 { --c: var(--other4); } .other5 { --c: var(--other5); }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg text { fill: var(--muted); } svg .name { fill: var(--text); } svg .inside { fill: var(--on-bar); font-weight: 600; }
svg .axis { stroke: var(--muted); } svg .grid { stroke: var(--line); } svg .bar { fill: var(--c); }
svg .layer { fill: var(--c); fill-opacity: .14; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
svg .layer:not(.positive) { stroke-dasharray: 5 3; }
svg .hover { fill: transparent; } svg .hover:hover { fill: var(--muted); fill-opacity: .14; }
.rows li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 12px; padding: 5px 0; font-size: .92rem; }
.rows b, .number { font-variant-numeric: tabular-nums; }
.rows i, .reasons i { display: block; grid-column: 1 / -1; height: 6px; min-width: 2px; border-radius: 3px;
  background: var(--accent); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
.charts + .scroll { margin-top: 14px; background: var(--panel); border: 1px solid var(--line); border-radius: 14px;
  padding: 6px 16px; }
th, td { text-align: left; padding: 8px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
th { font-weight: 600; } thead th { color: var(--muted); }
th.number, td.number { text-align: right; }
td small { display: block; color: var(--muted); white-space: nowrap; }
.total td { font-weight: 600; } .total small { font-weight: 400; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 14px; align-items: start; }
.panel h3 { margin-bottom: 8px; }
.reasons li { display: grid; grid-template-columns: 4.6em minmax(0, 1fr); gap: 12px; padding: 8px 0; border-top: 1px solid var(--line); }
.reasons li:first-child { border-top: 0; }
.reasons > li > b { text-align: right; font-variant-numeric: tabular-nums; }
.reasons i { margin: 4px 0; opacity: .75; }
.reasons p { font-size: .92rem; }
code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
details { font-size: .88rem; color: var(--muted); margin-top: 4px; } summary { cursor: pointer; }
details li { overflow-wrap: anywhere; padding: 2px 0; display: list-item; list-style: disc inside; border: 0; }
dl div { display: grid; grid-template-columns: minmax(0, 15.5em) minmax(0, 1fr); gap: 12px; padding: 4px 0;
  border-top: 1px solid var(--line); }
dl div:first-child { border-top: 0; }
dt { color: var(--muted); overflow-wrap: anywhere; } dd { overflow-wrap: anywhere; }
footer { color: var(--muted); font-size: .85rem; border-top: 1px solid var(--line); padding-top: 14px; margin-top: 16px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
@media (max-width: 560px) {
  main { padding: 20px 14px 32px; }
  .chart, .panel, .montage { padding: 12px; }
  .montage img { width: auto; height: 440px; max-width: none; }
  .cards { grid-template-columns: repeat(2, 1fr); }
  dl div { grid-template-columns: minmax(0, 9em) minmax(0, 1fr); }
}
@media print {
  :root { --ground: #fff; --panel: #fff; --text: #000; --muted: #444; --line: #bbb; --soft: #fff; }
  body { font-size: 11px; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  nav { display: none; }
  main { max-width: none; padding: 0; }
  .charts { grid-template-columns: repeat(2, 1fr); }
  .chart, .panel, .montage, .cards li, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
)css";

}  // namespace

const char* page_style() {
  return kStyle;
}

}  // namespace pulmo::pipeline
