/** Loads a package that only those sites install which use it. */

/** `load` imports it. Throws a sentence that says what to install where it is missing. */
export async function optionalPackage<T>(name: string, version: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(`the package ${name} is missing: npm install -g ${name}@${version}`, {
      cause: error,
    });
  }
}
