/* What came back, in words and numbers: the table of objects and where the time went. */

import { colourOf } from "./palette.js";

const STAGES = [
    ["receive", "Receive"],
    ["decode", "Decode"],
    ["queue", "Queue"],
    ["infer", "Infer"],
    ["postprocess", "Postprocess"],
];

function element(name, className, ...content) {
    const made = document.createElement(name);
    made.className = className;
    made.append(...content);
    return made;
}

function swatch(colour) {
    const made = element("span", "swatch");
    made.style.backgroundColor = colour;
    return made;
}

function row({ label, class_id, confidence, box }) {
    const sides = [box.x_min, box.y_min, box.x_max, box.y_max].map(Math.round);
    const made = document.createElement("tr");
    made.append(
        element("td", "class", swatch(colourOf(class_id).back), label),
        element("td", "number", confidence.toFixed(2)),
        element("td", "number", `${sides[0]}, ${sides[1]} – ${sides[2]}, ${sides[3]}`));
    return made;
}

export function showObjects(detections, anyAnswer) {
    document.getElementById("objects").replaceChildren(...detections.map(row));
    document.getElementById("objects-scroll").hidden = detections.length === 0;
    const none = document.getElementById("no-objects");
    none.hidden = detections.length > 0;
    none.textContent = anyAnswer ? "None at this setting." : "None yet.";
}

export function milliseconds(value) {
    return `${value.toFixed(value < 9.95 ? 1 : 0)} ms`;
}

function timingLine(name, value, kind) {
    const line = element("div", kind);
    line.append(element("dt", "", name), element("dd", "", milliseconds(value)));
    return line;
}

/** timing: the server's timing_ms; the batch tells how many pictures were computed together. */
export function showTiming(timing, roundTripMs, batchSize) {
    const stages = STAGES.filter(([key]) => timing[key] !== undefined);
    document.getElementById("timing-bar").replaceChildren(...stages.map(([key]) => {
        const part = element("span", `part ${key}`);
        part.style.flexGrow = timing[key];
        return part;
    }));
    const lines = stages.map(([key, name]) => timingLine(name, timing[key], `part ${key}`));
    const together = batchSize > 1 ? `Server, in a batch of ${batchSize}` : "Server";
    lines.push(timingLine(together, timing.total, "total"));
    lines.push(timingLine("With the network", roundTripMs, "total"));
    document.getElementById("timing-list").replaceChildren(...lines);
    document.getElementById("timing").hidden = false;
    document.getElementById("no-timing").hidden = true;
}

export function hideTiming() {
    document.getElementById("timing").hidden = true;
    document.getElementById("no-timing").hidden = false;
}
