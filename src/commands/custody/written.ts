/** Prints what is lost if it is not printed: a code that was made, a key. */
import { CommandError } from '../errors.ts';
import type { Streams } from '../key/subcommand.ts';

/**
 * Returns once the system has taken all of a text. A pipe that has a reader then may lose it all the same.
 * Throws CommandError.
 */
export function written({ stdout }: Pick<Streams, 'stdout'>, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout.write(text, (error) => {
      if (!error) resolve();
      else reject(new CommandError('ioError', `standard output cannot be written: ${error.message}`));
    });
  });
}
