// The program `keepsake`.
#include <cstring>
#include <iostream>

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::cout << "keepsake 0.1.0\n";
        return 0;
    }
    std::cerr << "usage: keepsake edit|render|generate|info|tokenize ...\n";
    return 2;
}
