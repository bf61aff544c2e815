import { type Clock, RuntimeError, type RuntimePlugin, systemClock } from '@worker-runtime/core';
import { Endpoint } from './endpoint.ts';
import { Positions } from './positions.ts';
import { settingsOf, type WebhooksOptions } from './webhooks-options.ts';

/**
 * Sends events to endpoints, signed as Standard Webhooks, at least once and in the order of each Worker. `clock` is that of the runtime.
 * @throws INVALID_REQUEST an option is unknown, missing or not valid
 */
export const webhooks = (options: WebhooksOptions, clock: Clock = systemClock): RuntimePlugin => {
  const settings = settingsOf(options);
  return {
    name: 'webhooks',
    apply(host) {
      const positions = new Positions(host, clock);
      const endpoints = new Map(
        settings.map((endpoint) => [endpoint.name, new Endpoint(endpoint, host, clock, positions)]),
      );
      let isOpen = false;
      host.hooks.start.tapPromise(async () => {
        for (const endpoint of endpoints.values()) await endpoint.checkSecret();
      });
      host.hooks.opened.tapPromise(async () => {
        if (endpoints.size === 0) return;
        await positions.read(settings, (name, workerId) => endpoints.get(name)?.add(workerId));
        isOpen = true;
        for (const endpoint of endpoints.values()) endpoint.open();
        host.defer(() => closeAll(AbortSignal.abort()));
      });
      host.hooks.committed.tap(({ workerId, events }) => {
        const isDeleted = events.some(({ type }) => type === 'worker.deleted');
        for (const endpoint of endpoints.values())
          if (isDeleted) {
            // before `opened` there is no position to remove
            if (isOpen) endpoint.forget(workerId);
          } else if (events.some(({ type }) => endpoint.settings.types.includes(type)))
            endpoint.add(workerId);
      });
      host.hooks.admit.tapPromise(async (command) => {
        if (command.type !== 'history.remove') return;
        const { workerId, throughSeq } = command;
        for (const endpoint of endpoints.values())
          if (endpoint.isBehind(workerId, throughSeq))
            throw new RuntimeError(
              'STORE_UNAVAILABLE',
              `The endpoint "${endpoint.settings.name}" has not accepted all of these events yet; archive them later`,
              { details: { workerId } },
            );
      });
      const closeAll = async (signal: AbortSignal): Promise<void> => {
        if (!isOpen) return;
        isOpen = false;
        await Promise.all([...endpoints.values()].map((endpoint) => endpoint.close(signal)));
        await positions.close();
      };
      host.hooks.drain.tapPromise(({ signal }) => closeAll(signal));
    },
  };
};

/** Makes the plugin from unchecked options, such as those of a command line. @throws INVALID_REQUEST as `webhooks` */
export const plugin = (options: unknown): RuntimePlugin => webhooks(options as WebhooksOptions);
