import { fileURLToPath } from 'node:url';
import { assets } from '@worker-runtime/console';
import { engine, memoryStore, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { closeBrowser, hasBrowser, sharedBrowser } from '@worker-runtime/test-environment/chromium';
import type { Page } from 'playwright-core';
import { type Bench, milliseconds } from './measurement.ts';

/*
 * Measures the console in a real Chromium, with a runtime in this process. All times are those that a person waits for: the
 * browser and the runtime share the machine.
 */

const WORKERS = 10_000;
const LONG = 100_000;
const SHORT = 1_000;
const RUN_EVENTS = 250;
const TEXT_CHARS = 50_000;
const PIECES = 120;
const FRAMES = 240;
const UPDATES_PER_SECOND = 10_000;
const BUSY = 500;

/** Resolves when the page has asked for the next piece of text. */
type Pace = () => Promise<void>;

interface Stage {
  readonly runtime: Runtime;
  readonly url: string;
  /** Returns an empty page, without a history and a cache. */
  readonly blank: () => Promise<Page>;
  /** Set before an input `pieces` is sent. */
  pace: Pace;
}

/** The work that the page causes. The rest is that of painting, and of the commands of this benchmark. */
const OWN_WORK = ['ScriptDuration', 'LayoutDuration', 'RecalcStyleDuration'];

const paragraph = 'A sentence of an answer that a model writes, with `code` and **weight**. '.repeat(6);

let staged: Promise<Stage> | null = null;

const makeStage = async (): Promise<Stage> => {
  const web = http({ port: 0, console: fileURLToPath(assets) });
  const stage: { current: Stage | null } = { current: null };
  const actor = engine('actor', async function* ({ input }) {
    const part = input?.parts[0];
    const text = part?.type === 'text' ? part.text : '';
    if (text === 'pieces') {
      let length = 0;
      for (; length < TEXT_CHARS; length += paragraph.length)
        yield { type: 'text', text: `${paragraph}\n\n` };
      for (let piece = 0; piece < PIECES; piece += 1) {
        await stage.current?.pace();
        yield { type: 'text', text: ' one more word' };
      }
    } else
      for (let at = 0; at < Number(text); at += 1)
        yield [{ type: 'text', text: `message ${at}` }, { type: 'message' }];
  });
  const plugin: RuntimePlugin = {
    name: 'bench',
    apply: (host) => {
      host.useStore(memoryStore());
      host.useEngine(actor);
    },
  };
  const runtime = await Runtime.start({ plugins: [web, wsObservation({ on: web }), plugin] });
  const browser = await sharedBrowser();
  stage.current = {
    runtime,
    url: web.url,
    pace: async () => {},
    blank: async () => (await browser.newContext({ viewport: { width: 1_200, height: 800 } })).newPage(),
  };
  return stage.current;
};

const theStage = (): Promise<Stage> => {
  staged ??= makeStage();
  return staged;
};

let peopled: Promise<Stage> | null = null;

/** The stage with all Workers. They are created once. */
const peopledStage = (): Promise<Stage> => {
  peopled ??= theStage().then(async (stage) => {
    for (let from = 0; from < WORKERS; from += BUSY)
      await Promise.all(
        Array.from({ length: BUSY }, (_, at) =>
          stage.runtime.createWorker({ engine: 'actor', workerId: `worker-${from + at}` }),
        ),
      );
    return stage;
  });
  return peopled;
};

const workerUrl = async ({ runtime }: Stage, workerId: string): Promise<string> =>
  `#/runtimes/${(await runtime.summary()).runtimeId}/workers/${workerId}`;

const lastLine = `document.querySelector('li[aria-setsize="${WORKERS}"]') !== null`;

/** Resolves in the frame in which an expression is true in a page. */
const isTrue = (page: Page, expression: string): Promise<void> =>
  page.evaluate(`new Promise((resolve) => {
    const look = () => (${expression}) ? resolve() : requestAnimationFrame(look);
    look();
  })`);

const closed = async <T>(page: Page, act: () => Promise<T>): Promise<T> => {
  try {
    return await act();
  } finally {
    await page.context().close();
  }
};

/** Opens an address and waits for a sign on the page. Returns the time of it all in milliseconds. */
const timeUntil = async (path: string, sign: string): Promise<number> => {
  const { url, blank } = await theStage();
  const page = await blank();
  return closed(page, () =>
    milliseconds(async () => {
      await page.goto(`${url}/${path}`, { waitUntil: 'commit' });
      await isTrue(page, sign);
    }),
  );
};

/** Returns the time from the address of a page to the first content that is painted, in milliseconds. */
const firstPaint = async (path: string): Promise<number> => {
  const { url, blank } = await theStage();
  const page = await blank();
  await page.goto(`${url}/${path}`);
  return closed(page, () =>
    page.evaluate<number>(`new Promise((resolve) =>
      new PerformanceObserver((list) => {
        const [entry] = list.getEntriesByName('first-contentful-paint');
        if (entry) resolve(entry.startTime);
      }).observe({ type: 'paint', buffered: true }))`),
  );
};

const painted: Bench = {
  id: 'C1',
  what: 'first paint of the console, vs a page of text',
  unit: 'ms',
  better: 'less',
  goal: null,
  floor: () => firstPaint('licenses.txt'),
  figure: () => firstPaint('#/runtimes'),
};

const manyLive: Bench = {
  id: 'C2',
  what: `from the address to ${WORKERS.toLocaleString('en')} live Workers in a browser, vs 1 s`,
  unit: 'ms',
  better: 'less',
  goal: 1,
  floor: async () => 1_000,
  async figure() {
    await peopledStage();
    return timeUntil('#/workers', lastLine);
  },
};

/** Returns the 95th percentile of the times between the frames of a page, in milliseconds. */
const frames = (page: Page): Promise<number> =>
  page.evaluate<number>(`new Promise((resolve) => {
    const times = [];
    let before = performance.now();
    const next = () => {
      const now = performance.now();
      times.push(now - before);
      before = now;
      if (times.length < ${FRAMES}) requestAnimationFrame(next);
      else resolve(times.sort((one, other) => one - other)[Math.floor(times.length * 0.95)]);
    };
    requestAnimationFrame(next);
  })`);

/** Runs inputs of many Workers until it is aborted, so that about this many events are written each second. */
const writeEvents = async ({ runtime }: Stage, signal: AbortSignal): Promise<void> => {
  const lane = async (at: number): Promise<void> => {
    // a run of two messages is six events
    const pauseMs = (BUSY * 6 * 1_000) / UPDATES_PER_SECOND;
    while (!signal.aborted) {
      const waits = new Promise((resolve) => setTimeout(resolve, pauseMs));
      await runtime.sendInput(`worker-${at * 20}`, { text: '2', whenBusy: 'queue' }).catch(() => {});
      await waits;
    }
  };
  await Promise.all(Array.from({ length: BUSY }, (_, at) => lane(at)));
};

const framesOf = async (path: string, sign: string): Promise<number> => {
  const stage = await peopledStage();
  const page = await stage.blank();
  await page.goto(`${stage.url}/${path}`);
  return closed(page, async () => {
    await isTrue(page, sign);
    const stop = new AbortController();
    const writing = writeEvents(stage, stop.signal);
    const time = await frames(page);
    stop.abort();
    await writing;
    return time;
  });
};

const busyFrames: Bench = {
  id: 'C3',
  what: `p95 time of a frame of the list of ${WORKERS.toLocaleString('en')} Workers during ${UPDATES_PER_SECOND.toLocaleString('en')} events/s, vs a page of text beside the same runtime`,
  unit: 'ms',
  better: 'less',
  goal: 1.2,
  floor: () => framesOf('licenses.txt', 'true'),
  figure: () => framesOf('#/workers', lastLine),
};

/** Returns the milliseconds of the page's main thread for each piece that is added at the end of a long text. */
const pieceTime = async (): Promise<number> => {
  const stage = await theStage();
  const workerId = `pieces-${process.hrtime.bigint()}`;
  await stage.runtime.createWorker({ engine: 'actor', workerId });
  const page = await stage.blank();
  await page.goto(`${stage.url}/${await workerUrl(stage, workerId)}`);
  return closed(page, async () => {
    await isTrue(page, `document.querySelector('[data-loaded="true"]') !== null`);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Performance.enable');
    const busy = async (): Promise<number> => {
      const { metrics } = await devtools.send('Performance.getMetrics');
      const seconds = metrics.filter(({ name }) => OWN_WORK.includes(name));
      return seconds.reduce((sum, { value }) => sum + value, 0) * 1_000;
    };
    const frame = (): Promise<unknown> =>
      page.evaluate('new Promise((resolve) => requestAnimationFrame(() => resolve()))');
    let begun: number | null = null;
    // one piece a frame, as a fast model writes
    stage.pace = async () => {
      if (begun === null) {
        await settle(page);
        begun = await busy();
      }
      await frame();
    };
    const { runId } = await stage.runtime.sendInput(workerId, { text: 'pieces' });
    await stage.runtime.waitForRun(workerId, runId, { waitMs: 60_000 });
    const ended = await busy();
    // the commands of this benchmark are scripts of the page too
    for (let piece = 0; piece < PIECES; piece += 1) await frame();
    const commands = (await busy()) - ended;
    return (ended - (begun ?? 0) - commands) / PIECES;
  });
};

/** Waits until the text that was sent is laid out. */
const settle = (page: Page): Promise<void> =>
  isTrue(
    page,
    `document.querySelector('[aria-label="Conversation"]').textContent.length > ${TEXT_CHARS * 0.7}`,
  );

const streamedPiece: Bench = {
  id: 'C4',
  what: `script, style and layout of a browser for one piece at the end of a text of ${TEXT_CHARS / 1_000} kB, vs 2 ms`,
  unit: 'ms',
  better: 'less',
  goal: 1,
  pairs: 3,
  floor: async () => 2,
  figure: pieceTime,
};

const worked = new Map<number, Promise<string>>();

/** Returns the address of a Worker with a log of this length. */
const workerWith = (events: number): Promise<string> => {
  const made =
    worked.get(events) ??
    theStage().then(async (stage) => {
      const workerId = `log-${events}`;
      await stage.runtime.createWorker({ engine: 'actor', workerId });
      for (let at = 0; at < events; at += RUN_EVENTS) {
        const { runId } = await stage.runtime.sendInput(workerId, { text: `${RUN_EVENTS - 3}` });
        await stage.runtime.waitForRun(workerId, runId, { waitMs: 60_000 });
      }
      return workerUrl(stage, workerId);
    });
  worked.set(events, made);
  return made;
};

const openedWith = async (events: number): Promise<number> =>
  timeUntil(
    await workerWith(events),
    `document.querySelector('[data-loaded="true"] [data-kind="message"]') !== null`,
  );

const longWorker: Bench = {
  id: 'C5',
  what: `opening a Worker of ${LONG.toLocaleString('en')} events in a browser, vs one of ${SHORT.toLocaleString('en')}`,
  unit: 'ms',
  better: 'less',
  goal: 1.2,
  floor: () => openedWith(SHORT),
  figure: () => openedWith(LONG),
};

/** The benchmarks of the console; none without a Chromium. */
export const consoleBenches: readonly Bench[] = hasBrowser
  ? [painted, manyLive, busyFrames, streamedPiece, longWorker]
  : [];

/** Ends the browser and the runtime, if a benchmark has started them. */
export const endConsole = async (): Promise<void> => {
  await closeBrowser();
  await (await staged)?.runtime.stop({ deadlineMs: 1_000 });
};
