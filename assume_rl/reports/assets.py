"""Style sheet and script of the page."""

# Nothing but what is in the file itself: the browser refuses any request.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
)

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --page: #ffffff;
  --card: #f6f8fa; --line: #d0d7de; --link: #0062a3; --warn: #fff4d6; --edge: #b88200; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b1; --page: #0f1419;
  --card: #171d24; --line: #30363d; --link: #6cb6ff; --warn: #3a2f10; --edge: #d9a21b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
main { width: 100%; max-width: 1080px; min-width: 0; margin: 0 auto; padding: 1.5rem; }
nav { padding: 1rem 1.5rem; background: var(--card); font-size: .875rem; }
nav ul { list-style: none; margin: 0; padding: 0; } nav ul ul { padding-left: .9rem; }
nav li { margin: .2rem 0; overflow-wrap: anywhere; } nav > ul > li > a { font-weight: 600; }
@media (min-width: 1100px) { body { display: grid; grid-template-columns: 270px minmax(0, 1fr); }
  nav { position: sticky; top: 0; height: 100vh; overflow: auto;
    border-right: 1px solid var(--line); } }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .2rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .8rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
h3 { font-size: 1.02rem; margin: 1.6rem 0 .3rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); margin: 0;
  gap: .2rem 1.2rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.note { background: var(--warn); border-left: 4px solid var(--edge); padding: .5rem .8rem;
  margin: .6rem 0; overflow-wrap: anywhere; }
figure { margin: 0 0 1.2rem; } .chart { width: 100%; }
figcaption, .omitted, .caption { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
.omitted { border-left: 3px solid var(--line); padding-left: .7rem; margin: .5rem 0; }
.ids { display: block; } .ids a, code { font-family: ui-monospace, monospace; font-size: .92em; }
details.ids summary { cursor: pointer; }
.table { overflow: auto; max-height: 75vh; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { position: sticky; top: 0; background: var(--card); vertical-align: bottom; }
td { white-space: nowrap; }
td.long { white-space: normal; min-width: 18rem; overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr:target { outline: 2px solid var(--edge); }
@media print { nav { display: none; } body { display: block; } .table { max-height: none; } }
"""

# A report of a study has many charts: those near the view are drawn first, then the others, each
# on its own, so that the page can be used meanwhile.
SCRIPT = """
"use strict";
// Buttons by name: those that plotly has of its own accord would send a chart to its cloud.
const buttons = ["toImage", "zoom2d", "pan2d", "resetScale2d"];
const config = {responsive: true, displaylogo: false, modeBarButtons: [buttons]};
const charts = [...document.querySelectorAll(".chart")];
function themed(layout) {
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  const faint = "rgba(0,0,0,0)";
  return {...layout, font: {...layout.font, color: ink},
          modebar: {...layout.modebar, bgcolor: faint, color: "#808080", activecolor: ink}};
}
function draw(chart) {
  const spec = JSON.parse(document.getElementById(chart.id + "-data").textContent);
  chart.dataset.drawn = "yes";
  return Plotly.react(chart, spec.data, themed(spec.layout), config);
}
function drawAll() {
  return Promise.all(charts.filter(c => !c.dataset.drawn).map(draw));
}
const near = new IntersectionObserver(entries => {
  for (const entry of entries) {
    if (entry.isIntersecting && !entry.target.dataset.drawn) draw(entry.target);
  }
}, {rootMargin: "800px"});
charts.forEach(chart => near.observe(chart));
function drawNext() {
  const chart = charts.find(c => !c.dataset.drawn);
  if (chart) draw(chart).then(() => setTimeout(drawNext, 20));
}
addEventListener("load", drawNext);
addEventListener("beforeprint", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  charts.filter(chart => chart.dataset.drawn).forEach(draw);
});
"""
