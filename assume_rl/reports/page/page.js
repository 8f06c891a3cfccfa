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
// A report of a study has many charts: those near the view are drawn first, then the others, each
// on its own, so that the page can be used meanwhile.
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
// Tables that are wider than their place say so.
const tables = [...document.querySelectorAll(".table")];
function measure(table) {
  const frame = table.parentElement, hidden = table.scrollWidth - table.clientWidth;
  frame.classList.toggle("scrolls", hidden > 1);
  frame.classList.toggle("more", hidden - table.scrollLeft > 1);
  const said = frame.nextElementSibling?.classList.contains("scrolled");
  if (hidden > 1 && !said) {
    const line = document.createElement("p");
    line.className = "scrolled";
    line.textContent = "wider than the page: scroll sideways \u2192";
    frame.after(line);
  } else if (hidden <= 1 && said) {
    frame.nextElementSibling.remove();
  }
}
tables.forEach(table => {
  table.addEventListener("scroll", () => measure(table), {passive: true});
  new ResizeObserver(() => measure(table)).observe(table);
});
// The table of contents opens at the section that is read.
const entries = [...document.querySelectorAll("nav > ul > li")];
const parts = [...document.querySelectorAll("main > section")];
document.querySelector("nav").classList.add("folds");
function spy() {
  const passed = parts.filter(part => part.getBoundingClientRect().top < innerHeight / 3);
  const place = Math.max(0, passed.length - 1);
  entries.forEach((entry, number) => entry.classList.toggle("here", number === place));
}
addEventListener("scroll", spy, {passive: true});
spy();
