/*
 * The page: what is being looked at, and what follows when it changes.
 *
 * A picture is asked about once, at the model's own confidence; the slider and the classes then
 * filter what came back. Only a slider below what was asked for asks again.
 */

import { detect, getModels, Problem } from "./api.js";
import { runCamera } from "./camera.js";
import { createClassFilter } from "./classes.js";
import { curlLine, listenForCopy } from "./curl.js";
import { watchServer } from "./health.js";
import { listenForPictures } from "./intake.js";
import { hideProblem, showProblem } from "./problem.js";
import { hideTiming, milliseconds, showObjects, showTiming } from "./results.js";
import { createStage } from "./stage.js";

const SLIDER_REST_MS = 200; // a moving slider asks the server only when it rests

const modelSelect = document.getElementById("model");
const slider = document.getElementById("threshold");
const sliderValue = document.getElementById("threshold-value");
const cameraButton = document.getElementById("camera");
const caption = document.getElementById("caption");
const summary = document.getElementById("summary");
const curl = document.getElementById("curl");

const stage = createStage();
const filter = createClassFilter(showAnswer);

let models = [];
let model = null;    // one of models
let picture = null;  // { blob, name }: what is, or will be, asked about
let answer = null;   // the server's about that picture
let asked = 0;       // the confidence it was asked with
let pending = null;  // AbortController of the request under way
let camera = null;   // AbortController of the camera
let sliderTimer = 0;

function threshold() {
    return Number(slider.value);
}

/** The confidence to ask with: what the model does by itself, less where the slider wants less. */
function wanted() {
    return Math.min(model.defaults.confidence, threshold());
}

/* Showing */

function showCurl() {
    curl.textContent = model === null ? "" :
        curlLine(picture?.name ?? "photo.jpg", model.name, threshold(), filter.chosen());
}

/** sure: those above the slider; shown: those of the chosen classes among them. */
function describe(sure, shown) {
    if (sure.length === 0)
        return "Nothing found at this confidence";
    if (shown.length < sure.length)
        return `${shown.length} of ${sure.length} objects shown`;
    const most = sure.length === model.defaults.max_detections ? " (the server gives no more)" : "";
    return `${sure.length} ${sure.length === 1 ? "object" : "objects"} found${most}`;
}

function showAnswer() {
    sliderValue.textContent = threshold().toFixed(2);
    showCurl();
    if (answer === null) {
        filter.count([]);
        stage.hideBoxes();
        showObjects([], false);
        hideTiming();
        summary.textContent = "";
        return;
    }
    const sure = answer.detections.filter((one) => one.confidence >= threshold());
    const shown = sure.filter((one) => filter.accepts(one.label));
    const said = describe(sure, shown);
    const names = shown.map((one) => `${one.label} ${one.confidence.toFixed(2)}`);
    filter.count(sure);
    stage.showBoxes(shown, answer.image.width, answer.image.height,
        `${picture.name}: ${[said, ...names].join(", ")}`);
    showObjects(shown, true);
    showTiming(answer.timing_ms, answer.round_trip_ms, answer.batch.size);
    summary.textContent = `${said} · ${milliseconds(answer.timing_ms.total)}`;
}

/* Asking */

/** Asks about a picture; the answer, or null when another question has taken its place. */
async function askAbout(blob) {
    pending?.abort();
    const mine = new AbortController();
    pending = mine;
    const confidence = wanted();
    try {
        const result = await detect(blob, model.name, confidence, mine.signal);
        asked = confidence;
        return result;
    } catch (error) {
        if (error.name === "AbortError")
            return null;
        throw error;
    } finally {
        if (pending === mine)
            pending = null;
    }
}

/** A server that refuses a large body may close before the browser has read why. */
function explain(problem, blob) {
    const limit = model.limits.body_bytes;
    if (problem.status !== 0 || blob.size <= limit)
        return problem;
    return new Problem(`This file has ${blob.size} bytes; the server takes at most ${limit}.`, 413);
}

/** Asks about the picture that is there. */
async function ask() {
    if (picture === null || model === null || camera !== null)
        return;
    const { blob } = picture;
    hideProblem();
    stage.setBusy(true);
    try {
        const result = await askAbout(blob);
        if (result === null)
            return;
        answer = result;
        showAnswer();
        askIfTooFew();
    } catch (problem) {
        answer = null;
        showAnswer();
        showProblem(explain(problem, blob), ask);
    } finally {
        stage.setBusy(pending !== null);
    }
}

/** The slider went below what the answer was asked with; asks when it rests. */
function askIfTooFew() {
    clearTimeout(sliderTimer);
    if (answer !== null && threshold() < asked)
        sliderTimer = setTimeout(ask, SLIDER_REST_MS);
}

/* A picture from a file */

/** The file as the browser shows it, or null when it cannot. */
async function decode(file) {
    const image = new Image();
    image.src = URL.createObjectURL(file);
    try {
        await image.decode();
        return image;
    } catch {
        return null;
    } finally {
        URL.revokeObjectURL(image.src);
    }
}

/** Nothing is known as yet about the picture that comes next. */
function forget(name) {
    stopCamera();
    pending?.abort();
    picture = null;
    answer = null;
    caption.textContent = name;
    hideProblem();
    showAnswer();
}

async function takeFile(file) {
    forget(file.name);
    const mine = { blob: file, name: file.name };
    picture = mine;
    const image = await decode(file);
    if (picture !== mine)
        return;
    if (image !== null) {
        stage.showPicture(image, image.naturalWidth, image.naturalHeight);
        caption.textContent = `${file.name}, ${image.naturalWidth} × ${image.naturalHeight}`;
    } else {
        stage.clear();
    }
    await ask();
}

/* The camera */

function showCameraButton(running) {
    cameraButton.textContent = running ? "Stop the camera" : "Use the camera";
    cameraButton.setAttribute("aria-pressed", String(running));
    summary.setAttribute("aria-live", running ? "off" : "polite"); // many times a second is no help
}

function stopCamera() {
    if (camera === null)
        return;
    camera.abort();
    camera = null;
    pending?.abort();
    showCameraButton(false);
}

async function takeFrame(blob, canvas) {
    const mine = camera;
    let result;
    try {
        result = await askAbout(blob);
    } catch (problem) {
        if (problem.retryAfter === 0)
            throw problem;
        showProblem(problem, null); // a busy server: it said when to come back
        await new Promise((done) => setTimeout(done, problem.retryAfter * 1000));
        return;
    }
    if (result === null || camera !== mine)
        return;
    hideProblem();
    picture = { blob, name: "frame.jpg" };
    answer = result;
    caption.textContent = `camera, ${canvas.width} × ${canvas.height}`;
    stage.showPicture(canvas, canvas.width, canvas.height);
    showAnswer();
}

async function startCamera() {
    if (model === null)
        return;
    forget("camera");
    stage.clear();
    const mine = new AbortController();
    camera = mine;
    showCameraButton(true);
    try {
        await runCamera(takeFrame, mine.signal);
    } catch (problem) {
        if (camera === mine)
            showProblem(problem, startCamera);
    }
    if (camera === mine)
        stopCamera();
}

/* Models */

function useModel(chosen) {
    pending?.abort();
    model = chosen;
    slider.value = model.defaults.confidence;
    slider.disabled = false;
    filter.reset(model.classes);
    answer = null;
    showAnswer();
    ask();
}

function describeModel({ name, input, precision, backend }) {
    return `${name} (${input.width} × ${input.height}, ${precision}, ${backend})`;
}

async function loadModels() {
    try {
        models = await getModels();
    } catch (problem) {
        showProblem(problem, loadModels);
        if (problem.retryAfter > 0) // it is starting
            setTimeout(loadModels, problem.retryAfter * 1000);
        return;
    }
    hideProblem();
    modelSelect.replaceChildren(
        ...models.map((one) => new Option(describeModel(one), one.name)));
    modelSelect.disabled = false;
    const same = models.find((one) => one.name === model?.name);
    modelSelect.value = (same ?? models[0]).name;
    if (same === undefined)
        useModel(models[0]);
    else
        model = same;
}

modelSelect.addEventListener("change", () =>
    useModel(models.find((one) => one.name === modelSelect.value)));

slider.addEventListener("input", () => {
    showAnswer();
    askIfTooFew();
});

cameraButton.addEventListener("click", () => {
    if (camera === null)
        startCamera();
    else
        stopCamera();
});

listenForPictures(takeFile, (text) => showProblem(new Problem(text), null));
listenForCopy();
watchServer(loadModels);
