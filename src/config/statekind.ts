// The kind of value that says where deliveries are remembered. See kinds.ts.

import { z } from 'zod/v3';
import { isRedisUrl, parseRedisAddress, type RedisAddress } from '../core/redisaddress.ts';
import { converted, type Kind, Wrong } from './kinds.ts';
import { isPath } from './listener.ts';

export interface StatePlace {
  /** Of this host. */
  readonly directory: string;
  /** What hosts share; undefined if they share nothing. */
  readonly shared: RedisAddress | undefined;
}

/** Where a site that names Redis alone has its directory. */
export const USUAL_STATE = '/run/sealdir/state';

const NO_STATE = 'is neither a path nor a URL of Redis, nor a list of one each';

export const statePlace: Kind<StatePlace> = {
  name: 'path, or a URL of Redis, or a list of both',
  schema: converted(
    z.union([z.string().transform((written) => [written]), z.array(z.string())], {
      errorMap: () => ({ message: NO_STATE }),
    }),
    placeOf,
  ),
};

function placeOf(written: readonly string[]): StatePlace | Wrong {
  const urls = written.filter(isRedisUrl);
  const paths = written.filter((each) => !isRedisUrl(each));
  if (written.length === 0 || urls.length > 1 || paths.length > 1) return new Wrong(NO_STATE);
  const [directory = USUAL_STATE] = paths;
  if (!isPath(directory)) return new Wrong('is not a path');
  const shared = urls[0] === undefined ? undefined : parseRedisAddress(urls[0]);
  return typeof shared === 'string' ? new Wrong(shared) : { directory, shared };
}
