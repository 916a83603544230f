// The header is C++: every struct can be made and EMCP_INIT works as in C.
#include <cstdio>

#include "emcp.h"

namespace {

template <typename Options> bool initialises()
{
    Options options;
    EMCP_INIT(&options);
    return options.size == sizeof options;
}

int32_t tool_function(emcp_call *, void *)
{
    return EMCP_OK;
}

} // namespace

int main()
{
    const bool sizes = initialises<emcp_config>() && initialises<emcp_adopt>() &&
                       initialises<emcp_tool>() && initialises<emcp_who>() &&
                       initialises<emcp_audit>() && initialises<emcp_hooks>() &&
                       initialises<emcp_stats>();
    const emcp_str text = {"abc", 3};
    const emcp_param param = {"a", EMCP_STRING, EMCP_P_REQUIRED, "A", nullptr, 0, 0,
                              nullptr, nullptr};
    const emcp_call_fn function = tool_function;

    if (!sizes || text.n != 3 || param.type != EMCP_STRING || function(nullptr, nullptr) != 0 ||
        EMCP_NUL != static_cast<size_t>(-1) || emcp_abi_version() != 1) {
        std::fputs("header_cxx: a struct or a constant is wrong\n", stderr);
        return 1;
    }
    std::puts("ok header_cxx");
    return 0;
}
