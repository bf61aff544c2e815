import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';

const ip = (...args: readonly string[]): void => {
  const { status, stderr, error } = spawnSync('ip', args);
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.toString().trim()}`);
};

const reasonWithout = (): string | null => {
  if (userInfo().uid !== 0) return 'only root can make network namespaces';
  const name = `wr-probe-${process.pid}`;
  try {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'add', 'probe', 'type', 'veth', 'peer', 'name', 'peer');
    ip('-n', name, 'rule', 'add', 'from', '198.18.0.1', 'to', '198.18.0.2', 'blackhole');
    return null;
  } catch (error) {
    return `no network namespaces: ${(error as Error).message}`;
  } finally {
    spawnSync('ip', ['netns', 'del', name]);
  }
};

/** The reason why this machine cannot separate hosts by networks; null if it can. */
export const WITHOUT_NETWORK = reasonWithout();

/** A place of the network: a namespace with one address. */
export interface NetworkPlace {
  readonly address: string;
  /** The beginning of a command line that runs a program there. Empty for the namespace of the test. */
  readonly within: readonly string[];
}

/** The addresses of a link: its router, and up to five others. */
const LINK = 8;

/**
 * Network namespaces that a router joins, one for each host. The database and the clients are in the namespace of the test, and have an
 * address each. The router drops the packets of a direction that is cut, and answers to neither end.
 */
export class Network {
  readonly database: NetworkPlace;
  readonly clients: NetworkPlace;
  readonly hosts: readonly NetworkPlace[];
  readonly #id = process.pid;
  readonly #router = `wr-router-${process.pid}`;
  /** The addresses of all places are in a range for measurements between networks, and end with a number of their own. */
  readonly #range = `198.18.${process.pid % 256}`;
  readonly #namespaces: string[] = [];
  readonly #cuts: (readonly string[])[] = [];

  private constructor(hosts: number) {
    const end = (): void => this.dispose();
    process.once('exit', end);
    this.#addNamespace(this.#router);
    this.#inNamespace(this.#router, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    this.database = { address: `${this.#range}.2`, within: [] };
    this.clients = { address: `${this.#range}.3`, within: [] };
    const link = `wr${this.#id}`;
    ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'link0', 'netns', this.#router);
    this.#open(['-n', this.#router], 'link0', 1);
    this.#open([], link, 2, 3);
    ip('route', 'add', `${this.#range}.0/24`, 'via', `${this.#range}.1`, 'src', this.clients.address);
    this.hosts = Array.from({ length: hosts }, (_, at) => this.#addHost(at + 1));
  }

  static of(hosts: number): Network {
    return new Network(hosts);
  }

  /** Drops what one place sends to another. */
  cut(from: NetworkPlace, to: NetworkPlace): void {
    const rule = ['from', from.address, 'to', to.address, 'blackhole'];
    ip('-n', this.#router, 'rule', 'add', ...rule);
    this.#cuts.push(rule);
  }

  /** Lets everything pass again. */
  heal(): void {
    for (const rule of this.#cuts.splice(0)) ip('-n', this.#router, 'rule', 'del', ...rule);
  }

  dispose(): void {
    for (const name of this.#namespaces.splice(0)) spawnSync('ip', ['netns', 'del', name]);
    // the links within namespaces end with them, in their own time
    spawnSync('ip', ['link', 'del', `wr${this.#id}`]);
  }

  #addHost(number: number): NetworkPlace {
    const name = `wr-host-${this.#id}-${number}`;
    this.#addNamespace(name);
    const link = `link${number}`;
    ip('-n', this.#router, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', name);
    this.#open(['-n', this.#router], link, number * LINK + 1);
    this.#open(['-n', name], 'uplink', number * LINK + 2);
    ip('-n', name, 'route', 'add', 'default', 'via', `${this.#range}.${number * LINK + 1}`);
    return { address: `${this.#range}.${number * LINK + 2}`, within: ['ip', 'netns', 'exec', name] };
  }

  #addNamespace(name: string): void {
    ip('netns', 'add', name);
    this.#namespaces.push(name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }

  #inNamespace(name: string, ...command: readonly string[]): void {
    ip('netns', 'exec', name, ...command);
  }

  #open(at: readonly string[], link: string, ...numbers: readonly number[]): void {
    for (const number of numbers) ip(...at, 'addr', 'add', `${this.#range}.${number}/29`, 'dev', link);
    ip(...at, 'link', 'set', link, 'up');
  }
}
