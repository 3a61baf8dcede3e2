/*
 * The stage: a picture, and over it the boxes with their labels. Two canvases of the size they are
 * shown at, so that lines and letters are sharp and a moved slider redraws boxes only.
 */

import { colourOf } from "./palette.js";

const HEIGHT_MAX = 0.72;  // of the window
const ENLARGED_MAX = 2;   // small pictures are shown at most at twice their size
const LINE = 2.5;         // CSS pixels
const FONT = "600 13px system-ui, sans-serif";
const LABEL_HEIGHT = 20;
const LABEL_PADDING = 5;
const NO_BOXES = "No boxes"; // for those who hear the picture

/** Scaled so that CSS pixels can be drawn in. */
function prepare(canvas, width, height) {
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    const context = canvas.getContext("2d");
    context.scale(canvas.width / width, canvas.height / height);
    return context;
}

function overlap(a, b) {
    return a.left < b.left + b.width && b.left < a.left + a.width
        && a.top < b.top + LABEL_HEIGHT && b.top < a.top + LABEL_HEIGHT;
}

/** Above the box, else inside at its top, else below: the first that is free, else the first. */
function placeLabel(box, width, size, placed) {
    const left = Math.max(0, Math.min(box.left, size.width - width));
    const tops = [box.top - LABEL_HEIGHT, box.top, box.bottom, box.bottom - LABEL_HEIGHT];
    const labels = tops.map((top) => ({ left, top, width }))
        .filter((label) => label.top >= 0 && label.top + LABEL_HEIGHT <= size.height);
    const free = labels.find((label) => !placed.some((other) => overlap(label, other)));
    return free ?? labels[0] ?? { left, top: Math.max(0, box.top), width };
}

export function createStage() {
    const area = document.getElementById("stage");
    const hint = document.getElementById("hint");
    const frame = document.getElementById("frame");
    const pictureCanvas = document.getElementById("picture");
    const boxCanvas = document.getElementById("boxes");
    let picture = null; // { source, width, height }: what drawImage takes, and its size
    let detections = [];
    let detectedIn = null; // size of the picture that the boxes are in pixels of
    let size = { width: 0, height: 0 }; // CSS pixels

    function fit() {
        const scale = Math.min(area.clientWidth / picture.width,
            HEIGHT_MAX * innerHeight / picture.height, ENLARGED_MAX);
        size = {
            width: Math.max(1, Math.floor(picture.width * scale)),
            height: Math.max(1, Math.floor(picture.height * scale)),
        };
        frame.style.width = `${size.width}px`;
        frame.style.height = `${size.height}px`;
    }

    function drawPicture() {
        const context = prepare(pictureCanvas, size.width, size.height);
        context.imageSmoothingQuality = "high";
        context.drawImage(picture.source, 0, 0, size.width, size.height);
    }

    function planLabels(context) {
        const marks = [];
        for (const { box, label, confidence, class_id } of detections) {
            const shown = {
                left: box.x_min * size.width / detectedIn.width,
                right: box.x_max * size.width / detectedIn.width,
                top: box.y_min * size.height / detectedIn.height,
                bottom: box.y_max * size.height / detectedIn.height,
            };
            const text = `${label} ${confidence.toFixed(2)}`;
            const width = Math.min(context.measureText(text).width + 2 * LABEL_PADDING, size.width);
            const place = placeLabel(shown, width, size, marks.map((mark) => mark.place));
            marks.push({ box: shown, text, place, colour: colourOf(class_id) });
        }
        return marks.reverse(); // the surest are drawn last, on top
    }

    function drawBoxes() {
        const context = prepare(boxCanvas, size.width, size.height);
        if (detectedIn === null)
            return;
        context.font = FONT;
        context.textBaseline = "middle";
        context.lineWidth = LINE;
        const marks = planLabels(context);
        for (const { box, colour } of marks) {
            context.strokeStyle = colour.back;
            context.strokeRect(box.left + LINE / 2, box.top + LINE / 2,
                Math.max(0, box.right - box.left - LINE), Math.max(0, box.bottom - box.top - LINE));
        }
        for (const { place, text, colour } of marks) {
            context.fillStyle = colour.back;
            context.fillRect(place.left, place.top, place.width, LABEL_HEIGHT);
            context.fillStyle = colour.text;
            context.fillText(text, place.left + LABEL_PADDING, place.top + LABEL_HEIGHT / 2 + 1,
                place.width - 2 * LABEL_PADDING);
        }
    }

    function redraw() {
        if (picture === null)
            return;
        fit();
        drawPicture();
        drawBoxes();
    }

    new ResizeObserver(redraw).observe(area);

    return {
        /** A picture without boxes as yet; source is what drawImage takes. */
        showPicture(source, width, height) {
            picture = { source, width, height };
            detectedIn = null;
            boxCanvas.setAttribute("aria-label", NO_BOXES);
            hint.hidden = true;
            frame.hidden = false;
            area.dataset.state = "picture";
            redraw();
        },

        /** Boxes in pixels of a picture of this size, the surest first. */
        showBoxes(boxes, width, height, description) {
            detections = boxes;
            detectedIn = { width, height };
            boxCanvas.setAttribute("aria-label", description);
            if (picture !== null)
                drawBoxes();
        },

        hideBoxes() {
            detectedIn = null;
            boxCanvas.setAttribute("aria-label", NO_BOXES);
            if (picture !== null)
                drawBoxes();
        },

        clear() {
            picture = null;
            detectedIn = null;
            hint.hidden = false;
            frame.hidden = true;
            area.dataset.state = "empty";
        },

        setBusy(busy) {
            area.classList.toggle("busy", busy);
            area.setAttribute("aria-busy", String(busy));
        },
    };
}
