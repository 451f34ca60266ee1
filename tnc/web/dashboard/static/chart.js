// Draw every <figure data-chart> from its table: the table is the data, and stays for reading and printing.

const HEIGHT = 240;
const HOUR = 3600;

function read(table) {
  const rows = [...table.tBodies[0].rows];
  const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
  const times = rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000);
  const series = names.map((_, i) => rows.map((row) => Number(row.cells[i + 1].dataset.value)));
  return { names, data: [times, ...series] };
}

// A canvas needs plain colours; only the browser can say what light-dark() is just now.
function colours(figure, ...names) {
  const probe = figure.appendChild(document.createElement("i"));
  const found = names.map((name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return found;
}

const utc = (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC");
const when = uPlot.fmtDate("{D} {MMM}, {HH}:{mm} UTC");

function options(figure, names, data, width) {
  const [soft, line, ...inks] = colours(figure, "soft", "line", "pale", "accent");
  const font = `12px ${getComputedStyle(figure).fontFamily}`;
  const axis = { font, stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  return {
    width, height: HEIGHT,
    tzDate: utc,
    cursor: { y: false, points: { show: false } },
    scales: {
      x: { range: () => [data[0].at(0), data[0].at(-1) + HOUR] },
      y: { range: (_, low, high) => [0, Math.max(high * 1.05, 1)] },
    },
    axes: [
      { ...axis, values: [[24 * HOUR, "{D} {MMM}"], [HOUR, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1]] },
      { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] },
    ],
    series: [
      { label: "Hour", value: (_, time) => (time === null ? "" : when(utc(time))) },
      ...names.map((label, i) => ({
        label, value: (_, count) => count?.toLocaleString("en") ?? "", fill: inks[i], stroke: inks[i], width: 0, points: { show: false },
        paths: uPlot.paths.bars({ size: [0.8, Infinity], align: 1 }),
      })),
    ],
  };
}

function draw(figure) {
  const holder = figure.querySelector(".plot");
  const { names, data } = read(figure.querySelector("table"));
  let plot;
  const redraw = () => {
    plot?.destroy();
    holder.replaceChildren();
    plot = new uPlot(options(figure, names, data, holder.clientWidth), data, holder);
  };
  redraw();
  new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: HEIGHT })).observe(holder);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

document.querySelectorAll("figure[data-chart]").forEach(draw);
