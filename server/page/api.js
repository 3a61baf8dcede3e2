/* What the page asks of the server, and what can go wrong on the way. */

/** Something went wrong; the message is for the person at the page. */
export class Problem extends Error {
    /** status: of HTTP, 0 without an answer; retryAfter: seconds, or 0. */
    constructor(message, status = 0, retryAfter = 0) {
        super(message);
        this.status = status;
        this.retryAfter = retryAfter;
    }

    /** The same may work later: the server is away, slow, busy or broken. */
    get mayPass() {
        return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
    }
}

async function problemOf(response) {
    let message = `The server answered ${response.status} ${response.statusText}`.trim() + ".";
    try {
        message = (await response.json()).error.message;
    } catch {
        // no JSON: something between here and the server answered
    }
    const retryAfter = Number(response.headers.get("Retry-After"));
    return new Problem(message, response.status, retryAfter > 0 ? retryAfter : 0);
}

let key = ""; // that the person typed, where the server asks for one; forgotten with the page
let mayAsk = true;

/** fetch with the key. Asks the person for one when the server wants it; once, when they have none. */
async function fetchWithKey(path, options) {
    const used = key;
    const headers = used === "" ? options.headers : { ...options.headers, "X-API-Key": used };
    const response = await fetch(path, { cache: "no-store", ...options, headers });
    if (response.status !== 401)
        return response;
    if (used === key && mayAsk) { // else another request has asked meanwhile
        const typed = window.prompt("This server asks for an API key:");
        mayAsk = typed !== null;
        key = (typed ?? "").trim();
    }
    return used === key ? response : fetchWithKey(path, options);
}

/** fetch, with every failure but an abort as a Problem; `read` takes what is wanted of the answer. */
async function request(path, options, read) {
    try {
        const response = await fetchWithKey(path, options);
        if (!response.ok)
            throw await problemOf(response);
        return await read(response);
    } catch (error) {
        if (error instanceof Problem || error.name === "AbortError")
            throw error;
        throw new Problem("The server does not answer. Is it running, and is the network up?");
    }
}

/** Where to post a picture, relative to this page. No classes: all of them. */
export function detectPath(model, confidence, classes) {
    const parameters = [`confidence=${confidence}`];
    if (classes.length > 0)
        parameters.push(`classes=${classes.map(encodeURIComponent).join(",")}`);
    return `detect/${encodeURIComponent(model)}?${parameters.join("&")}`;
}

/** Posts a picture; resolves to the server's answer with round_trip_ms beside it. */
export async function detect(picture, model, confidence, signal) {
    const start = performance.now();
    // The bytes say what they are. The type that the browser guessed from a file's name would turn
    // a .json file into a request of another kind.
    const headers = { "Content-Type": "application/octet-stream" };
    const options = { method: "POST", body: picture, headers, signal };
    const path = detectPath(model, confidence, []);
    const answer = await request(path, options, (response) => response.json());
    return { ...answer, round_trip_ms: performance.now() - start };
}

export function getModels() {
    return request("models", {}, async (response) => (await response.json()).models);
}

export function getMetrics() {
    return request("metrics", {}, (response) => response.text());
}
