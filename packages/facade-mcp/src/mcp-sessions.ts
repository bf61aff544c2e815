import { randomUUID } from 'node:crypto';
import { limitReached, methodNotAllowed, routeIn, type Serving } from '@worker-runtime/core/plugin-kit';
import { Exchange, type McpRuntime } from './exchange.ts';
import { McpSession } from './mcp-session.ts';

/** The most sessions of one caller. Another one replaces the one that was used least recently and answers nothing now. */
const SESSIONS = 100;

const NOT_FOUND = { jsonrpc: '2.0', error: { code: -32_001, message: 'Session not found' }, id: null };

/** The sessions of all clients, in memory. A client whose session is gone begins another one, as the protocol demands. */
export class McpSessions {
  readonly #bodyBytes: number;
  /** By id, in the order of their last use. */
  readonly #all = new Map<string, McpSession>();

  constructor({ bodyBytes }: { readonly bodyBytes: number }) {
    this.#bodyBytes = bodyBytes;
  }

  /** @throws ROUTE_NOT_FOUND · METHOD_NOT_ALLOWED · LIMIT_REACHED the caller has too many sessions that answer a request now */
  async answer(runtime: McpRuntime, request: Request, serving: Serving): Promise<Response> {
    routeIn(/\/?$/, request, serving);
    // there are no messages outside of answers, so there is no stream for them: a client takes 405 for that
    if (request.method !== 'POST' && request.method !== 'DELETE') throw methodNotAllowed('POST', 'DELETE');
    const id = request.headers.get('mcp-session-id');
    const exchange = new Exchange(runtime, request, serving);
    if (id === null) return this.#begin(request, exchange);
    const session = this.#all.get(id);
    if (session?.caller !== exchange.caller || session === undefined)
      return Response.json(NOT_FOUND, { status: 404 });
    this.#all.delete(id);
    this.#all.set(id, session);
    return session.answer(request, exchange);
  }

  async #begin(request: Request, exchange: Exchange): Promise<Response> {
    const session = await McpSession.open({
      caller: exchange.caller,
      bodyBytes: this.#bodyBytes,
      makeId: () => {
        this.#makeRoom(exchange.caller);
        return randomUUID();
      },
      opened: (id) => void this.#all.set(id, session),
      closed: (id) => void this.#all.delete(id),
    });
    try {
      const answer = await session.answer(request, exchange);
      // the request began no session, and the transport has refused it
      if (session.id === undefined) await session.close();
      return answer;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  #makeRoom(caller: string | null): void {
    const own = [...this.#all.values()].filter((session) => session.caller === caller);
    if (own.length < SESSIONS) return;
    const oldest = own.find(({ isBusy }) => !isBusy);
    if (!oldest) throw limitReached('mcpSessions', SESSIONS);
    void oldest.close();
  }
}
