/** The conformance of sockets, whose bytes pass through a registry. */
import { testConformance } from '@worker-runtime/test-environment/socket-conformance';
import { Hop } from './hop.ts';
import { RemotePlace } from './world.ts';

testConformance(async (t) => {
  const place = await RemotePlace.start();
  const { runtimeId } = place.runtime;
  const hop = await Hop.start([{ name: 'far', url: place.gate.url, runtimeId }]);
  t.teardown(async () => {
    await hop.close();
    await place.dispose();
  });
  return `${hop.url.replace('http', 'ws')}/v1/runtimes/${runtimeId}/stream`;
}, ', through a registry');
