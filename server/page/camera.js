/* The camera: one frame at a time, the next only when the one before has been dealt with. */

import { Problem } from "./api.js";

const SIDE_MAX = 1280;

const REFUSALS = {
    NotAllowedError: "The browser may not use the camera. Allow it for this page, then try again.",
    NotFoundError: "There is no camera on this device.",
    NotReadableError: "The camera is in use by another program.",
    OverconstrainedError: "There is no camera on this device that fits.",
};

async function open() {
    if (navigator.mediaDevices === undefined)
        throw new Problem("Browsers allow the camera only on pages from https:// or localhost.");
    try {
        return await navigator.mediaDevices.getUserMedia({
            audio: false,
            video: { facingMode: "environment", width: { ideal: SIDE_MAX } },
        });
    } catch (error) {
        throw new Problem(REFUSALS[error.name] ?? `The camera does not work: ${error.message}`);
    }
}

function grab(video) {
    const scale = Math.min(1, SIDE_MAX / Math.max(video.videoWidth, video.videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas;
}

/**
 * Awaits take(blob, canvas) for one frame after the other until the signal is aborted, the camera
 * goes away or take throws. Frames pause while the page is hidden.
 */
export async function runCamera(take, signal) {
    const stream = await open();
    const video = document.createElement("video");
    try {
        video.srcObject = stream;
        video.muted = true;
        video.playsInline = true;
        await video.play();
        const [track] = stream.getVideoTracks();
        while (!signal.aborted) {
            if (track.readyState === "ended")
                throw new Problem("The camera was switched off or unplugged.");
            await new Promise(requestAnimationFrame);
            const canvas = grab(video);
            const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
            if (!signal.aborted)
                await take(blob, canvas);
        }
    } finally {
        video.srcObject = null;
        for (const track of stream.getTracks())
            track.stop();
    }
}
