import type { Argv } from 'yargs';
import { ageOrNumber, duration, jsonObject, pairs, wholeNumber } from '../option-value.ts';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { aWorker, clientOptions, keyOption, pageOptions, reasonOption } from './client-option.ts';

const listOptions = {
  ...clientOptions,
  ...pageOptions,
  status: {
    choices: ['idle', 'running', 'waiting', 'stopped'] as const,
    describe: 'only Workers with this status',
  },
  label: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'only Workers with this label, key=value (repeatable)',
    coerce: pairs('--label', 'key=value'),
  },
  parent: { type: 'string', requiresArg: true, describe: 'only children of this Worker' },
  usage: { type: 'boolean', default: false, describe: 'show the runs and tokens of each Worker' },
} as const;

const createOptions = {
  ...clientOptions,
  ...keyOption,
  engine: { type: 'string', requiresArg: true, demandOption: true, describe: 'engine of the Worker' },
  'display-name': { type: 'string', requiresArg: true, describe: 'name to show to people' },
  label: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'a label, key=value (repeatable)',
    coerce: pairs('--label', 'key=value'),
  },
  parent: { type: 'string', requiresArg: true, describe: 'id of the parent Worker' },
  tool: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'a tool that the Worker may use (repeatable)',
  },
  claim: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'a resource to write, name=resource, as in project=fs:/home/ada/project (repeatable)',
    coerce: pairs('--claim', 'name=resource'),
  },
  'claim-read': {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'a resource to read, name=resource (repeatable)',
    coerce: pairs('--claim-read', 'name=resource'),
  },
  'engine-config': {
    type: 'string',
    requiresArg: true,
    describe: 'config of the engine, a JSON object',
    coerce: jsonObject('--engine-config'),
  },
  'when-interrupted': {
    choices: ['stop', 'continue'],
    requiresArg: true,
    describe: 'fate of a run that is active when the runtime ends: it ends, or the next start continues it',
  },
  input: { type: 'string', requiresArg: true, describe: 'first input, accepted together with the creation' },
} as const;

const updateOptions = {
  ...clientOptions,
  'display-name': { ...createOptions['display-name'], describe: 'name to show to people; "" for none' },
  label: { ...createOptions.label, describe: 'a label, key=value (repeatable); replaces all labels' },
  tool: {
    ...createOptions.tool,
    describe: 'a tool that the Worker may use (repeatable); replaces all tools',
  },
  'engine-config': {
    ...createOptions['engine-config'],
    describe: 'config of the engine, a JSON object, for runs that start later',
  },
  'when-interrupted': createOptions['when-interrupted'],
} as const;

const forkOptions = {
  ...clientOptions,
  ...keyOption,
  as: { type: 'string', requiresArg: true, describe: 'id of the new Worker (default: a generated one)' },
  at: {
    type: 'string',
    requiresArg: true,
    describe: 'the last event of the history, its number or a cursor (default: the last one of the Worker)',
  },
  'display-name': { ...createOptions['display-name'], describe: 'name to show to people; "" for none' },
  label: {
    ...createOptions.label,
    describe: 'a label, key=value (repeatable); replaces those of the source',
  },
  claim: createOptions.claim,
  'claim-read': createOptions['claim-read'],
} as const;

const stopOptions = {
  ...clientOptions,
  ...reasonOption,
  'deadline-ms': {
    type: 'string',
    requiresArg: true,
    describe: 'time for the execution to end, in milliseconds; then it is detached',
    coerce: wholeNumber('--deadline-ms', 0, 600_000),
  },
} as const;

const cancelOptions = {
  ...clientOptions,
  ...reasonOption,
  run: { type: 'string', requiresArg: true, describe: 'cancel only if this run is still active' },
} as const;

const resumeOptions = { ...clientOptions, ...reasonOption } as const;

const archiveOptions = {
  ...clientOptions,
  to: { type: 'string', requiresArg: true, demandOption: true, describe: 'folder of the files' },
  'stopped-for': {
    type: 'string',
    requiresArg: true,
    describe: 'stopped Workers whose last event is as old, such as 90d',
    coerce: duration('--stopped-for'),
  },
  'history-before': {
    type: 'string',
    requiresArg: true,
    describe: 'instead: events that are as old, such as 90d, or before this number; their Workers continue',
    coerce: ageOrNumber('--history-before'),
  },
  label: { ...listOptions.label, describe: 'Workers with this label, key=value (repeatable)' },
  'least-bytes': {
    type: 'string',
    requiresArg: true,
    describe: 'Workers whose events and files, or whose old events, have this size or more',
    coerce: wholeNumber('--least-bytes', 1, Number.MAX_SAFE_INTEGER),
  },
  'dry-run': { type: 'boolean', default: false, describe: 'only list them' },
} as const;

const subcommands = (command: Argv<{ json: boolean }>, alternatives: Alternatives, output: Output) =>
  command
    .command(
      'list',
      'List Workers in order of creation',
      (list) => {
        alternatives.set(...optionNames(listOptions));
        return list
          .options(listOptions)
          .example('$0 workers list --status running', '')
          .example('$0 workers list --label team=docs --json', '');
      },
      async (argv) => (await import('../commands/workers.ts')).list(argv, output),
    )
    .command(
      'create [worker]',
      'Create a Worker',
      (create) => {
        alternatives.set(...optionNames(createOptions));
        return create
          .positional('worker', {
            type: 'string',
            describe: 'id of the new Worker (default: a generated one)',
          })
          .options(createOptions)
          .example('$0 workers create ada --engine echo', '')
          .example(`$0 workers create --engine echo --engine-config '{"delayMs":20}' --input "hello"`, '');
      },
      async (argv) => (await import('../commands/workers.ts')).create(argv, output),
    )
    .command(
      'show <worker>',
      'Show a Worker and its status',
      (show) => {
        alternatives.set(...optionNames(clientOptions));
        return aWorker(show).options(clientOptions).example('$0 workers show ada', '');
      },
      async (argv) => (await import('../commands/workers.ts')).show(argv, output),
    )
    .command(
      'fork <worker>',
      'Create a Worker whose history begins with that of another one',
      (forking) => {
        alternatives.set(...optionNames(forkOptions));
        return aWorker(forking)
          .options(forkOptions)
          .example('$0 workers fork ada', '')
          .example('$0 workers fork ada --at 42 --as ada-2', '');
      },
      async (argv) => (await import('../commands/workers.ts')).fork(argv, output),
    )
    .command(
      'update <worker>',
      'Change the name, labels, tools or config of a Worker',
      (update) => {
        alternatives.set(...optionNames(updateOptions));
        return aWorker(update)
          .options(updateOptions)
          .example('$0 workers update ada --display-name "Ada, release notes"', '');
      },
      async (argv) => (await import('../commands/workers.ts')).update(argv, output),
    )
    .command(
      'stop <worker>',
      'Stop a Worker: end its execution until it is resumed',
      (stop) => {
        alternatives.set(...optionNames(stopOptions));
        return aWorker(stop).options(stopOptions).example('$0 workers stop ada --deadline-ms 1000', '');
      },
      async (argv) => (await import('../commands/workers.ts')).stop(argv, output),
    )
    .command(
      'resume <worker>',
      'Resume a stopped Worker with a new execution',
      (resume) => {
        alternatives.set(...optionNames(resumeOptions));
        return aWorker(resume).options(resumeOptions).example('$0 workers resume ada', '');
      },
      async (argv) => (await import('../commands/workers.ts')).resume(argv, output),
    )
    .command(
      'cancel <worker>',
      'Cancel the active run of a Worker',
      (cancel) => {
        alternatives.set(...optionNames(cancelOptions));
        return aWorker(cancel).options(cancelOptions).example('$0 workers cancel ada', '');
      },
      async (argv) => (await import('../commands/workers.ts')).cancel(argv, output),
    )
    .command(
      'delete <worker>',
      'Delete a stopped Worker and its data',
      (remove) => {
        alternatives.set(...optionNames(clientOptions));
        return aWorker(remove).options(clientOptions).example('$0 workers delete ada', '');
      },
      async (argv) => (await import('../commands/workers.ts')).remove(argv, output),
    )
    .command(
      'archive [workers..]',
      'Write stopped Workers, or the old events of Workers, to one file each, and remove them from the runtime',
      (archive) => {
        alternatives.set(...optionNames(archiveOptions));
        return archive
          .positional('workers', {
            type: 'string',
            array: true,
            describe: 'ids of Workers (default: those of the options)',
          })
          .options(archiveOptions)
          .example('$0 workers archive ada --to archives', '')
          .example('$0 workers archive --stopped-for 90d --label team=docs --to archives', '')
          .example('$0 workers archive --history-before 90d --to archives', '')
          .epilogue(
            'Workers and events are removed after their file was read back and checked. A Worker goes only if it has no later events; events go only if neither a run nor the engine needs them.',
          );
      },
      async (argv) => {
        const { historyBefore } = argv;
        return historyBefore === undefined
          ? (await import('../commands/worker-archives.ts')).archiveWorkers(argv, output)
          : (await import('../commands/history-archives.ts')).archiveHistory(
              { ...argv, historyBefore },
              output,
            );
      },
    )
    .command(
      'import <file>',
      'Put the Worker of such a file back, stopped',
      (importing) => {
        alternatives.set(...optionNames(clientOptions));
        return importing
          .positional('file', { type: 'string', demandOption: true, describe: 'path of the archive' })
          .options(clientOptions)
          .example('$0 workers import archives/ada.log_….17.archive', '');
      },
      async (argv) => (await import('../commands/worker-archives.ts')).putWorker(argv, output),
    )
    .demandCommand(1, 'no command given after "workers"');

/** Defines the commands below `workers`. */
export const workersCommands = (
  command: Argv<{ json: boolean }>,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command(
    'workers',
    'List, create, show, fork, change, stop, resume, cancel, delete, archive and import Workers',
    (workers) => {
      alternatives.set(
        'list',
        'create',
        'show',
        'fork',
        'update',
        'stop',
        'resume',
        'cancel',
        'delete',
        'archive',
        'import',
      );
      return subcommands(workers, alternatives, output);
    },
  );
