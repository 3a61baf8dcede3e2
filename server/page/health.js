/* The server as a whole: is it there, how long is its queue, how much does it get done. */

import { watchMetrics } from "./metrics.js";

const KEPT = 60; // answers in the little curves: two minutes

function createCurve(id) {
    const line = document.querySelector(`#${id} polyline`);
    const values = [];
    return (value) => {
        values.push(value);
        if (values.length > KEPT)
            values.shift();
        const highest = Math.max(1, ...values);
        const points = values.map((v, i) =>
            `${KEPT - values.length + i + 1},${(19 - 18 * v / highest).toFixed(2)}`);
        line.setAttribute("points", points.join(" "));
    };
}

/** back() is called whenever the server answers after it had not, and at first. */
export function watchServer(back) {
    const health = document.getElementById("health");
    const queue = document.getElementById("queue");
    const rate = document.getElementById("rate");
    const about = document.getElementById("about");
    const queueCurve = createCurve("queue-line");
    const rateCurve = createCurve("rate-line");

    function setHealth(state, text) {
        if (health.dataset.state === state)
            return;
        const wasAway = health.dataset.state === "unknown" || health.dataset.state === "away";
        health.dataset.state = state;
        health.textContent = text;
        if (wasAway && state !== "away")
            back();
    }

    watchMetrics((now) => {
        setHealth(now.healthy ? "up" : "broken", now.healthy ? "connected" : "device failed");
        queue.textContent = now.queue;
        rate.textContent = now.rate === null ? "–" : now.rate.toFixed(now.rate < 9.95 ? 1 : 0);
        queueCurve(now.queue);
        rateCurve(now.rate ?? 0);
        about.textContent = `spotter ${now.version}, backend ${now.backend}`;
    }, (problem) => {
        if (problem.status === 404) // it is there, and keeps its counters to itself
            setHealth("up", "connected");
        else
            setHealth("away", "no connection");
        queue.textContent = rate.textContent = "–";
    });
}
