import type { ChildProcess } from 'node:child_process';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

/** The time in which the last output of an exited process is read. */
const LAST_OUTPUT_MS = 100;

/**
 * A tool server in a process of its own. Ends the connection when the process exits: the transport of the SDK waits until
 * the output is closed too, which a child that the server leaves behind may hold open.
 */
export class McpProcessTransport extends StdioClientTransport {
  #closing: Promise<void> | null = null;

  override async start(): Promise<void> {
    await super.start();
    // The SDK offers no other access to the process.
    // biome-ignore lint/complexity/useLiteralKeys: the member is private
    const child = this['_process'] as ChildProcess | undefined;
    child?.once('exit', () =>
      setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, LAST_OUTPUT_MS),
    );
  }

  /** Every call waits for the end of the process, also while another call is closing it. */
  override close(): Promise<void> {
    this.#closing ??= super.close();
    return this.#closing;
  }
}
