// The mayor's map: moving the slider shows another published period. Every picture and row is what the server would send for that address.

const $ = (selector, root = document) => root.querySelector(selector);
const pages = new Map();

function address(form) {
  return form.getAttribute('action') + '?' + new URLSearchParams(new FormData(form));
}

async function page(url) {
  if (!pages.has(url)) {
    pages.set(url, fetch(url, { headers: { Accept: 'text/html' } }).then(async (answer) => {
      if (!answer.ok) throw new Error(String(answer.status));
      return new DOMParser().parseFromString(await answer.text(), 'text/html');
    }));
    pages.get(url).catch(() => pages.delete(url));
  }
  return pages.get(url);
}

let asked = 0;
async function show(form) {
  const url = address(form);
  const turn = ++asked;
  let fresh;
  try {
    fresh = await page(url);
  } catch {
    form.submit();
    return;
  }
  if (turn !== asked) return;
  for (const part of ['.cabeza', '#opciones', '#dibujo', '#tabla-viva', '#marcas', '#sal']) {
    const [old, next] = [$(part), $(part, fresh)];
    if (old && next) old.replaceChildren(...document.importNode(next, true).childNodes);
  }
  const [slider, next] = [$('#per'), $('#per', fresh)];
  if (slider && next) slider.setAttribute('aria-valuetext', next.getAttribute('aria-valuetext'));
  history.replaceState(null, '', url);
  printing();
}

function printing() {
  const button = $('#imprimir');
  if (button) {
    button.hidden = false;
    button.addEventListener('click', () => window.print());
  }
}

const form = $('form.deslizar');
if (form) {
  $('#ver', form).hidden = true;
  form.addEventListener('input', () => show(form));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    show(form);
  });
}
printing();
