
// Renews the page every 5 s, without closing what the reader has opened. When nothing answers, says so: what is
// shown is old then, and must not look as if it held.
const lasts = 20000;
let heard = Date.now();
async function renew() {
  try {
    const answer = await fetch('/', { cache: 'no-store', signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw 0;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const tile of fresh.querySelectorAll('details')) {
      const here = document.getElementById(tile.id);
      if (here && here.className === tile.className) tile.open = here.open;
    }
    fresh.querySelectorAll('script, noscript').forEach(part => part.remove());
    document.title = fresh.title;
    document.body.replaceChildren(...fresh.body.childNodes);
    document.body.classList.remove('lost');
    heard = Date.now();
  } catch {
    if (Date.now() - heard < lasts) return;
    document.title = 'no answer: ' + document.title.replace(/^no answer: /, '');
    document.body.classList.add('lost');
    document.querySelector('h1').textContent = 'no answer';
    document.getElementById('age').textContent =
      'the watch has not answered for ' + Math.round((Date.now() - heard) / 1000) + ' s: nothing here says how it is now';
  }
}
setInterval(renew, 5000);
