import { foreign } from './remote-error.ts';

/** The JSON of what a stream said. @throws VERSION_UNSUPPORTED it is none */
export const parsedData = (data: string): unknown => {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw foreign(200, cause);
  }
};
