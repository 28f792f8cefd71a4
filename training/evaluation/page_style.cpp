#include "training/evaluation/chart.h"
#include "training/evaluation/comparison_page.h"

namespace pulmo::training {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--back:#f3f5f8;--strong:#e8f1f9;--accent:#0b5c92;--warn:#7a4b00;--warn-back:#fff2cc}
@media (prefers-color-scheme:dark){:root{--back:#0e1116;--strong:#1b2a37;--accent:#7cc0ee;--warn:#ffd879;--warn-back:#3a2d0a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.55 system-ui,'DejaVu Sans',sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:28px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:20px;margin:44px 0 12px}
h3{font-size:15px;margin:22px 0 10px}
p{margin:8px 0}
.lead{color:var(--dim);max-width:75ch}
.card{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:16px}
.phantom{background:var(--warn-back);color:var(--warn);border-radius:12px;padding:10px 16px;font-weight:600}
.facts{display:flex;flex-wrap:wrap;gap:8px;margin:16px 0 0;padding:0;list-style:none}
.facts li{background:var(--paper);border:1px solid var(--line);border-radius:99px;padding:3px 12px;font-size:13px}
.glance{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:12px}
.figures{display:grid;grid-template-columns:repeat(2,1fr);gap:12px}
.figures .card{padding:14px 16px;display:flex;flex-direction:column;justify-content:center}
.figures b{display:block;font-size:30px;line-height:1.15;font-weight:650;font-variant-numeric:tabular-nums}
.figures span{color:var(--dim);font-size:13px}
.scroll{overflow-x:auto;padding:0}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:8px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line);background:var(--paper)}
th{color:var(--dim);font-weight:600;vertical-align:bottom}
th small{display:block;font-weight:400}
th:first-child,td:first-child{text-align:left;position:sticky;left:0}
tr:last-child td{border-bottom:0}
tr.strong td{background:var(--strong);font-weight:600}
td small{display:block;color:var(--dim);font-weight:400;font-size:11.5px}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:14px;margin-top:14px}
.matrices{grid-template-columns:repeat(auto-fill,minmax(min(100%,290px),1fr))}
svg{display:block;max-width:100%;height:auto;margin:0 auto}
.tabs>input{position:absolute;opacity:0;pointer-events:none}
.tabs>label{display:inline-block;padding:7px 16px;margin:0 6px 14px 0;border:1px solid var(--line);border-radius:99px;
background:var(--paper);cursor:pointer;font-size:14px}
.tabs>input:checked+label{background:var(--accent);border-color:var(--accent);color:var(--paper);font-weight:600}
.tabs>input:focus-visible+label{outline:3px solid var(--s5);outline-offset:2px}
.level{display:none}
#level-0:checked~.level-0,#level-1:checked~.level-1,#level-2:checked~.level-2{display:block}
details{margin:10px 0}
summary{cursor:pointer;font-weight:600;padding:12px 16px;border-radius:12px;background:var(--paper);border:1px solid var(--line)}
summary span{color:var(--dim);font-weight:400}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:12px;margin:12px 0}
figure,figure.card{margin:0;padding:8px;font-size:12px;line-height:1.45;break-inside:avoid}
figure img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:#000;border-radius:8px;margin-bottom:6px}
figcaption b{font-size:13px}
figcaption span{color:var(--dim);display:block}
details>.scroll{margin-top:12px}
.stacks{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:12px;margin:12px 0}
.slices{display:flex;flex-wrap:wrap;gap:6px;margin-top:8px}
.slices>span{width:72px;text-align:center;font-variant-numeric:tabular-nums}
.slices i{display:block;border-top:6px solid var(--s0);border-radius:3px;min-width:1px;margin-bottom:2px}
.notes{padding-left:20px;margin:0}
.notes li{margin:4px 0;max-width:100ch}
code{background:var(--back);border-radius:5px;padding:1px 6px;overflow-wrap:anywhere;font-size:12.5px}
@media (max-width:640px){main{padding:18px 12px 40px}h1{font-size:23px}.card{padding:12px}.scroll{padding:0}
.tabs>label{padding:7px 11px;margin-right:3px;font-size:13px}.cases{grid-template-columns:repeat(auto-fill,minmax(104px,1fr))}}
@media print{:root{--back:#fff;--strong:#e8f1f9;--accent:#0b5c92;--warn:#7a4b00;--warn-back:#fff2cc;color-scheme:light}
body{font-size:11px}main{max-width:none;padding:0}.level{display:block}.tabs>label{display:none}
.card,figure,tr{break-inside:avoid}h2,h3{break-after:avoid}.plots{grid-template-columns:repeat(3,1fr)}
.scroll{overflow:visible}table{font-size:7.5px}th,td{padding:3px 4px}td small{font-size:6.5px}
.cases{grid-template-columns:repeat(6,1fr)}.stacks{grid-template-columns:repeat(2,1fr)}.slices>span{width:42px}}
)";

}  // namespace

std::string page_style() {
  return "<style>\n" + chart_style(":root") + kStyle + "</style>";
}

}  // namespace pulmo::training
