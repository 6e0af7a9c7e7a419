metadata(
    description="LwM2M through the client of a LEXI-R10 LTE module, over AT commands.",
    version="0.1.0",
    license="MIT",
)

package("atport", base_path="lib")
package("lexi", base_path="lib")
