import { EVENT_TYPES } from '@worker-runtime/core/views';
import type { Argv } from 'yargs';
import { usageError } from '../failure.ts';
import { wholeNumber } from '../option-value.ts';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { aWorker, clientOptions, keyOption, logPageOptions, pageOptions } from './client-option.ts';

const waitSeconds = wholeNumber('--wait', 1, 86_400);
const sendOptions = {
  ...clientOptions,
  ...keyOption,
  wait: {
    type: 'string',
    describe: 'wait for the answer, at most this many seconds (default 60); put it last or write --wait=10',
    coerce: (text: string | undefined) => waitSeconds(text === '' ? '60' : text),
  },
  file: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'a file to send with the text (repeatable)',
  },
  queue: {
    type: 'boolean',
    default: false,
    describe: 'queue the input if a run is active, instead of being refused',
  },
} as const;

const fileOptions = {
  ...clientOptions,
  output: { type: 'string', requiresArg: true, demandOption: true, describe: 'path of the file to write' },
} as const;

const waitOptions = {
  ...clientOptions,
  timeout: {
    type: 'string',
    requiresArg: true,
    describe: 'wait at most this many seconds (default: a day)',
    coerce: wholeNumber('--timeout', 1, 86_400),
  },
} as const;

const eventsOptions = {
  ...clientOptions,
  ...logPageOptions,
  type: {
    type: 'array',
    choices: EVENT_TYPES,
    requiresArg: true,
    describe: 'only events of this type (repeatable)',
  },
  follow: { alias: 'f', type: 'boolean', describe: 'continue with new events until Ctrl-C' },
} as const;

const listOptions = { ...clientOptions, ...pageOptions } as const;

const transcriptOptions = {
  ...clientOptions,
  ...logPageOptions,
  before: {
    type: 'string',
    requiresArg: true,
    conflicts: 'after',
    describe: 'the page before this cursor, or up to an event by its number: @123; "end" for the last page',
  },
  markdown: {
    type: 'boolean',
    default: false,
    describe: 'print the whole conversation as a Markdown document',
  },
} as const;

/** Defines the commands `send`, `wait`, `requests`, `file`, `events`, `transcript`, `status` and `diagnostics`. */
export const conversationCommands = <T extends { json: boolean }>(
  command: Argv<T>,
  alternatives: Alternatives,
  output: Output,
) =>
  command
    .command(
      'send <worker> <text>',
      'Send an input to a Worker',
      (send) => {
        alternatives.set(...optionNames(sendOptions));
        return aWorker(send)
          .positional('text', { type: 'string', demandOption: true, describe: 'text of the input' })
          .options(sendOptions)
          .example('$0 send ada "hello" --wait', '')
          .example('$0 send ada "and then?" --queue', '')
          .example('$0 send ada "what is this?" --file photo.png --wait', '');
      },
      async (given) => (await import('../commands/send.ts')).send(given, output),
    )
    .command(
      'wait <worker> <run>',
      'Wait for a run and print its answer',
      (wait) => {
        alternatives.set(...optionNames(waitOptions));
        return aWorker(wait)
          .positional('run', { type: 'string', demandOption: true, describe: 'id of the run' })
          .options(waitOptions)
          .example('$0 wait ada run_01k… --timeout 600', 'the run that `send` has printed');
      },
      async (given) => (await import('../commands/wait.ts')).wait(given, output),
    )
    .command(
      'requests',
      'Print the open requests of all Workers, oldest first',
      (requests) => {
        alternatives.set(...optionNames(listOptions));
        return requests.options(listOptions).example('$0 requests --limit 10', '');
      },
      async (given) => (await import('../commands/requests.ts')).requests(given, output),
    )
    .command(
      'file <worker> <digest>',
      'Download a file of an input, a message or a tool result',
      (file) => {
        alternatives.set(...optionNames(fileOptions));
        return aWorker(file)
          .positional('digest', { type: 'string', demandOption: true, describe: 'digest of the file' })
          .options(fileOptions)
          .example('$0 file ada sha256-2cf2… --output chart.png', 'the digest that `transcript` prints');
      },
      async (given) => (await import('../commands/file.ts')).file(given, output),
    )
    .command(
      'events <worker>',
      'Print the events of a Worker',
      (events) => {
        alternatives.set(...optionNames(eventsOptions));
        return aWorker(events)
          .options(eventsOptions)
          .conflicts('follow', 'limit')
          .example('$0 events ada --follow', '')
          .example('$0 events ada --json', 'one stored event per line');
      },
      async (given) => (await import('../commands/events.ts')).events(given, output),
    )
    .command(
      'transcript <worker>',
      'Print the conversation with a Worker',
      (transcript) => {
        alternatives.set(...optionNames(transcriptOptions));
        return aWorker(transcript)
          .options(transcriptOptions)
          .check(({ markdown, json, limit, after, before }) => {
            const others = [json && '--json', limit && '--limit', after && '--after', before && '--before'];
            const other = others.find(Boolean);
            if (markdown && other)
              throw usageError(`--markdown prints a whole conversation, so it excludes ${other}`);
            return true;
          })
          .example('$0 transcript ada --limit 20', 'the newest ones')
          .example('$0 transcript ada --markdown > ada.md', 'all of it, as a document');
      },
      async (given) => (await import('../commands/transcript.ts')).transcript(given, output),
    )
    .command(
      'status',
      'Print the status of the runtime',
      (status) => {
        alternatives.set(...optionNames(clientOptions));
        return status.options(clientOptions).example('$0 status --json', '');
      },
      async (given) => (await import('../commands/status.ts')).status(given, output),
    )
    .command(
      'diagnostics',
      'Print the problems that the runtime survived, newest first',
      (diagnostics) => {
        alternatives.set(...optionNames(listOptions));
        return diagnostics.options(listOptions).example('$0 diagnostics --limit 10', '');
      },
      async (given) => (await import('../commands/diagnostics.ts')).diagnostics(given, output),
    );
