import { Account } from './account.ts';
import { Backend, Workers } from './backend.ts';
import { OpenRequests } from './open-requests.ts';
import { Outbox } from './outbox.ts';

/** The facts that every page of this tab shares. */
export const backend = new Backend();
export const account = new Account(backend);
export const workers = new Workers(backend);
export const openRequests = new OpenRequests(backend, workers);
export const outbox = new Outbox(backend);
