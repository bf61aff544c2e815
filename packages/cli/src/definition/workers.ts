import type { Argv } from 'yargs';
import { jsonObject, pairs, wholeNumber } from '../option-value.ts';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { aWorker, clientOptions, keyOption, pageOptions, reasonOption } from './client-option.ts';

const listOptions = {
  ...clientOptions,
  ...pageOptions,
  status: { choices: ['idle', 'running', 'waiting', 'stopped'] as const, describe: 'only those' },
  label: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'only those with key=value; again for more',
    coerce: pairs('--label'),
  },
  parent: { type: 'string', requiresArg: true, describe: 'only the children of this Worker' },
} as const;

const createOptions = {
  ...clientOptions,
  ...keyOption,
  engine: { type: 'string', requiresArg: true, demandOption: true, describe: 'what runs it' },
  'display-name': { type: 'string', requiresArg: true, describe: 'a name for people' },
  label: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'key=value; again for more',
    coerce: pairs('--label'),
  },
  parent: { type: 'string', requiresArg: true, describe: 'the Worker that it belongs to' },
  tool: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'a tool that it may use; again for more',
  },
  claim: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'what it writes: name=resource, as in project=fs:/home/ada/project; again for more',
    coerce: pairs('--claim'),
  },
  'claim-read': {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'what it only reads: name=resource; again for more',
    coerce: pairs('--claim-read'),
  },
  'engine-config': {
    type: 'string',
    requiresArg: true,
    describe: "a JSON object, the engine's own",
    coerce: jsonObject('--engine-config'),
  },
  input: { type: 'string', requiresArg: true, describe: 'its first input, atomic with the creation' },
} as const;

const stopOptions = {
  ...clientOptions,
  ...reasonOption,
  'deadline-ms': {
    type: 'string',
    requiresArg: true,
    describe: 'how long the execution may take to end before it is detached',
    coerce: wholeNumber('--deadline-ms', 0, 600_000),
  },
} as const;

const cancelOptions = {
  ...clientOptions,
  ...reasonOption,
  run: { type: 'string', requiresArg: true, describe: 'only if this run is still on' },
} as const;

const resumeOptions = { ...clientOptions, ...reasonOption } as const;

const subcommands = (command: Argv<{ json: boolean }>, alternatives: Alternatives, output: Output) =>
  command
    .command(
      'list',
      'The Workers, in order of creation',
      (list) => {
        alternatives.are(...optionNames(listOptions));
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
        alternatives.are(...optionNames(createOptions));
        return create
          .positional('worker', { type: 'string', describe: 'its workerId; minted if left out' })
          .options(createOptions)
          .example('$0 workers create ada --engine echo', '')
          .example(`$0 workers create --engine echo --engine-config '{"delayMs":20}' --input "hello"`, '');
      },
      async (argv) => (await import('../commands/workers.ts')).create(argv, output),
    )
    .command(
      'show <worker>',
      'What a Worker is and does',
      (show) => {
        alternatives.are(...optionNames(clientOptions));
        return aWorker(show).options(clientOptions).example('$0 workers show ada', '');
      },
      async (argv) => (await import('../commands/workers.ts')).show(argv, output),
    )
    .command(
      'stop <worker>',
      'End its execution until it is resumed',
      (stop) => {
        alternatives.are(...optionNames(stopOptions));
        return aWorker(stop).options(stopOptions).example('$0 workers stop ada --deadline-ms 1000', '');
      },
      async (argv) => (await import('../commands/workers.ts')).stop(argv, output),
    )
    .command(
      'resume <worker>',
      'Give a stopped Worker a new execution',
      (resume) => {
        alternatives.are(...optionNames(resumeOptions));
        return aWorker(resume).options(resumeOptions).example('$0 workers resume ada', '');
      },
      async (argv) => (await import('../commands/workers.ts')).resume(argv, output),
    )
    .command(
      'cancel <worker>',
      'End the run that is on, and only that',
      (cancel) => {
        alternatives.are(...optionNames(cancelOptions));
        return aWorker(cancel).options(cancelOptions).example('$0 workers cancel ada', '');
      },
      async (argv) => (await import('../commands/workers.ts')).cancel(argv, output),
    )
    .command(
      'delete <worker>',
      'Remove a stopped Worker and its data',
      (remove) => {
        alternatives.are(...optionNames(clientOptions));
        return aWorker(remove).options(clientOptions).example('$0 workers delete ada', '');
      },
      async (argv) => (await import('../commands/workers.ts')).remove(argv, output),
    )
    .demandCommand(1, 'Which command of workers?');

/** `workers …` */
export const workersCommands = (
  command: Argv<{ json: boolean }>,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command('workers', 'List, create, show, stop, resume, cancel and delete Workers', (workers) => {
    alternatives.are('list', 'create', 'show', 'stop', 'resume', 'cancel', 'delete');
    return subcommands(workers, alternatives, output);
  });
