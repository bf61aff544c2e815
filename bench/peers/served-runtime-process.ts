import { once } from 'node:events';
import { Runtime } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { http } from '@worker-runtime/plugin-http';
import { repeater } from './repeater.ts';

/* A served runtime in a process of its own. It tells its parent its port, and ends with it. */

const [dir = ''] = process.argv.slice(2);
const web = http({ port: 0 });
const runtime = await Runtime.start({ plugins: [fsStore({ dir }), web, repeater] });
process.send?.({ port: Number(new URL(web.url).port) });
await once(process, 'disconnect');
await runtime.stop({ deadlineMs: 500 });
