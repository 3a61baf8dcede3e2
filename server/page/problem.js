/* The place for what went wrong: the message, when to try again, and a button to do so. */

const place = document.getElementById("problem");
let timer = 0;

export function hideProblem() {
    clearInterval(timer);
    place.replaceChildren();
}

/** again: what the button "Try again" does, if there is hope; null for no button. */
export function showProblem(problem, again) {
    hideProblem();
    const text = document.createElement("p");
    text.textContent = problem.message;
    place.append(text);
    if (again === null || !problem.mayPass)
        return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = "Try again";
    button.addEventListener("click", () => {
        hideProblem();
        again();
    });
    place.append(button);
    if (problem.retryAfter > 0)
        countDown(button, problem.retryAfter);
}

/** The server asked to be left alone that long. The button keeps its focus: it is not disabled. */
function countDown(button, seconds) {
    const until = performance.now() + seconds * 1000;
    const show = () => {
        const left = Math.ceil((until - performance.now()) / 1000);
        button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
        if (left <= 0)
            clearInterval(timer);
    };
    show();
    timer = setInterval(show, 250);
}
