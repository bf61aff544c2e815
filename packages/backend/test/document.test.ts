/** The OpenAPI document of a backend, compared with its answers. */
import test from 'ava';
import { makeFolder, send, start } from './scene.ts';

interface Contract {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          { readonly responses: Readonly<Record<string, unknown>>; readonly security: unknown[] }
        >
      >
    >
  >;
}

test('the document says for each operation whether it needs a caller', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const { paths } = (await send(`${backend.url}/openapi.json`)).body as Contract;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  t.true(operations.length > 40);
  for (const { path, method, operation } of operations) {
    const address =
      backend.url +
      path
        .replace('{r}', 'self')
        .replace('{workspace}', 'default')
        .replaceAll(/\{\w+\}/g, 'x');
    const body = method === 'get' || method === 'delete' ? undefined : {};
    const { status } = await send(address, method.toUpperCase(), body);
    const name = `${method} ${path} is answered with ${status}`;
    t.is('401' in operation.responses, status === 401, name);
    t.is(operation.security.length > 0, status === 401, name);
  }
});
