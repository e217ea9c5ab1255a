(function () {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  const press = (button, isPressed) => button.setAttribute("aria-pressed", String(isPressed));
  root.classList.add("script");

  // Light and dark: as the system has it until the button says otherwise.
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const showTheme = () => press(theme, isDark());
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // One of the scales of the chart of percentiles.
  const scales = all("button[data-scale]");
  for (const button of scales) {
    button.addEventListener("click", () => {
      for (const other of scales) press(other, other === button);
      for (const chart of all("[data-chart-scale]")) chart.hidden = chart.dataset.chartScale !== button.dataset.scale;
    });
  }

  // An operation's line, its name in the legend, and every button that shows it.
  const switches = all("[data-operation]");
  for (const button of switches.filter((element) => element.tagName === "BUTTON")) {
    button.addEventListener("click", () => {
      const isShown = button.getAttribute("aria-pressed") !== "true";
      for (const element of switches.filter((other) => other.dataset.operation === button.dataset.operation)) {
        if (element.tagName === "BUTTON") press(element, isShown);
        else element.classList.toggle("off", !isShown);
      }
    });
  }

  // The figures of the second that is pointed at; a line at that second on all charts.
  const charts = all("figure[data-seconds]").map((figure) => {
    const svg = figure.querySelector("svg");
    const [left, right, top, bottom] = svg.dataset.plot.split(" ").map(Number);
    const [least, most] = svg.dataset.x.split(" ").map(Number);
    const cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cross.setAttribute("class", "cross");
    cross.setAttribute("y1", top);
    cross.setAttribute("y2", bottom);
    cross.style.display = "none";
    svg.append(cross);
    const box = document.createElement("div");
    box.className = "box";
    box.hidden = true;
    figure.append(box);
    return { figure, svg, left, right, least, most, cross, box, data: JSON.parse(figure.dataset.seconds) };
  });

  const nearest = (times, time) => {
    let best = 0;
    times.forEach((at, nth) => { if (Math.abs(at - time) < Math.abs(times[best] - time)) best = nth; });
    return best;
  };

  const hide = () => {
    for (const chart of charts) {
      chart.cross.style.display = "none";
      chart.box.hidden = true;
    }
  };

  const point = (chart, event) => {
    const frame = chart.svg.getBoundingClientRect();
    const share = ((event.clientX - frame.left) / frame.width * chart.svg.viewBox.baseVal.width - chart.left)
      / (chart.right - chart.left);
    const nth = nearest(chart.data.at, chart.least + share * (chart.most - chart.least));
    const at = chart.data.at[nth];
    hide();
    for (const other of charts) {
      const x = other.left + (at - other.least) / (other.most - other.least) * (other.right - other.left);
      other.cross.setAttribute("x1", x);
      other.cross.setAttribute("x2", x);
      other.cross.style.display = "";
    }
    const value = (number) => number === null ? "–" : number.toLocaleString("en") + " " + chart.data.unit;
    const lines = chart.data.lines.map((line) => line.name + "  " + value(line.values[nth]));
    chart.box.textContent = [at + " s"].concat(lines).join("\n");
    chart.box.hidden = false;
    // Beside the finger, and never out of the figure.
    const place = event.clientX - frame.left;
    const width = chart.box.offsetWidth;
    const beside = place + 14 + width > frame.width ? place - 14 - width : place + 14;
    chart.box.style.left = Math.max(0, beside) + "px";
    chart.box.style.top = frame.top - chart.figure.getBoundingClientRect().top + frame.height * 0.2 + "px";
  };

  for (const chart of charts) {
    chart.svg.addEventListener("pointermove", (event) => point(chart, event));
    chart.svg.addEventListener("pointerdown", (event) => point(chart, event));
    chart.svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  }
  // Paper can not be clicked on.
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  document.addEventListener("pointerdown", (event) => {
    if (!charts.some((chart) => chart.svg.contains(event.target))) hide();
  });
})();
